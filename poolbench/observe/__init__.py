"""A user's own model: which pooling it really does, what to change there, and changing it.

For: running a model and writing down its pooling calls as workloads; measuring what they cost where they stand;
putting other operators in their place. One file per framework.
May not: store or print; import a framework outside of a function. A user's model runs in a process of its own
(``poolbench.observe.apart``), but for the context manager and ``replace_pooling``, which are in the user's process
already.
"""

from poolbench.observe.replace import replace_pooling

__all__ = ["replace_pooling"]
