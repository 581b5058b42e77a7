"""Counting: the instructions that one call executes in user space, exactly, where time is noise.

For: running a subject's call under a small compiled stepper (``tracing``, ``stepper.cpp``) in a process of its own
(``child``), which marks where the call begins and ends (``marks``), on a part of the workload that is short enough
(``shapes``); telling what kinds of instructions they are (``mix``).
May not: time anything. A count is a second opinion, never a time.
"""
