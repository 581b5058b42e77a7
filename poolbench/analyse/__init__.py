"""Statistics: rows in, intervals, verdicts, summaries, frames and stopping decisions out.

For: saying what the samples show and how sure that is; every figure is recomputed from raw samples.
May not: measure, read a clock, read or write files, print.
"""
