"""What pooling buys and costs: measures on signals, costs by arithmetic, a model without a layer, a small classifier.

For: everything that ``poolbench effects`` says beside times, which come from a run.
May not: measure times of operators, store or print; import a framework outside of a function.
"""
