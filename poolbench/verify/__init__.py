"""Says whether an output is right: a float64 reference, inputs to try it on, the comparison, and the semantic contract.

For: the check before every timing, and ``poolbench verify``.
May not: import a framework, time anything, start processes, or trust a backend.
"""
