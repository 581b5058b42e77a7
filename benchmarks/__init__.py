"""What airspeed velocity measures: one module per framework, thin over poolbench's own catalogue and measuring code.

asv imports all of this in every process, with whatever revision of poolbench is installed in the environment at hand.
So nothing here imports a framework before a case is run, a revision that lacks something is no error, and what a case
is called depends on this checkout alone, never on the revision (``_workloads``). docs/asv.md says how to use it.
"""

from ._suite import preload

preload()
