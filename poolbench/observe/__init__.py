"""A user's own model: which pooling it really does.

For: running a model once and writing down its pooling calls as workloads. One file per framework.
May not: measure, store or print; import a framework outside of a function. A user's model runs in a process of its own
(``poolbench.observe.process``), but for the context manager, which is in the user's process already.
"""
