"""Reports: a summary in; text for a terminal, Markdown and CSV out.

For: showing what ``poolbench.analyse`` found, always with its uncertainty and with what was left out.
May not: compute statistics, measure, or print from anywhere but the functions named ``print_…``.
"""
