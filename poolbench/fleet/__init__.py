"""One sweep over many machines, one benchmark a machine at a time; on Dask, or on this machine alone.

``plan`` makes tasks of a file, ``measuring`` does one the way ``compare`` does, ``embedded`` does them here one after
the other. ``submitter``, ``worker`` and ``host`` spread them over machines. ``simulation`` needs no machine. Dask is
imported here alone, and inside functions. Nothing but the command line imports this room.
"""
