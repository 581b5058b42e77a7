"""The explorer: all stored runs in a browser, from a server on this machine or as files for any web server.

For: ``poolbench serve`` and ``poolbench site``. What a browser shows is made here, as columns of tables that
``poolbench.report`` made; the scripts in ``static`` choose, sort and draw, and work nothing out.
May not: read or write results, or compute statistics.
"""
