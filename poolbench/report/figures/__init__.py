"""The figures of a report: what ``poolbench.analyse`` found in; drawings with their words out.

For: one drawing per question, in two widths, with a palette in which a subject always looks the same.
May not: compute statistics, read files, or draw a figure without data.
"""
