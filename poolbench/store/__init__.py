"""Results on disk: one JSON line per row, written as it is complete, and one run at a time on a machine.

For: appending, reading, listing and resuming runs (``jsonl``, ``resume``), the machine's lock (``lock``) and who holds
it (``holder``), and asv's own files (``asv``).
May not: measure, compute statistics, print, or import anything of the package but ``model`` and ``errors``.
"""
