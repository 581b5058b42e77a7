"""The command line: one verb a file, each reading as the path of the data.

For: turning arguments into calls of ``poolbench.api`` and results into text.
May not: compute anything itself; import a framework, NumPy or pandas before a verb needs them.
"""

from poolbench.cli.app import main

__all__ = ["main"]
