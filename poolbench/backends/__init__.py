"""The implementations of pooling that are measured: one file each, found by ``registry``.

For: the protocols in ``base``, the registry, and the built-in backends.
May not: import a framework outside of a function, or one backend's framework in another's file.
"""
