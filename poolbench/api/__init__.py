"""The verbs as Python functions, and the one path that a run takes from request to stored rows.

For: ``poolbench.apply``, ``poolbench.compare``, ``poolbench.load_results``, and the commands.
May not: print, parse a command line, or import a framework.
"""
