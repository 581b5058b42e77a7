"""The database derived from a results folder: Parquet by machine and month, thrown away and made again at will.

For: the tables and views (``schema``, ``views``), where it lies and who may write it (``place``), which files it has
been made from (``manifest``), making what is new (``update``), and asking it (``reader``). docs/query.md is the manual.
May not: write to a results folder, work out a statistic (the caller hands over what rows say), or print.
"""
