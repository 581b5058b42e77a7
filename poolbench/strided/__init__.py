"""The compiled part: all the C++ of poolbench and its Python face.

For: the streaming probe ``_stream`` (and, later, the strided pooling kernel).
May not: import anything else of poolbench, or load NumPy or the compiled modules when the package is imported.
"""
