"""Measuring: one worker process per subject, interleaved slots, raw samples.

For: turning workloads and subjects into result rows (``session``), over pipes (``protocol``) to workers that are
forked from importers (``importer``, ``worker``, ``client``).
May not: store, analyse or print anything; a stopping rule and an observer are passed in.
"""
