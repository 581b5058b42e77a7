"""The streaming limit: how long this machine takes just to read an input and write an output.

For: the subject ``limit`` (``probe``), over compiled loops that pass over memory (``streaming``, ``_stream``).
May not: pool anything, or load the compiled loops before they are first asked for.
"""
