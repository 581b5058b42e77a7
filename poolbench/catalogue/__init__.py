"""Real pooling layers with their sources, and how to select from them.

For: turning what a user writes (a set, an id, a name, a glob, a tag, a file) into workloads.
May not: import a framework or NumPy, measure, or print. The data files are append-only: ids are the store's keys.
"""

from poolbench.catalogue.load import parse_catalogue, read_catalogue
from poolbench.catalogue.select import select
from poolbench.catalogue.sets import entries, members, set_names
from poolbench.catalogue.tags import derived_tags

__all__ = ["derived_tags", "entries", "members", "parse_catalogue", "read_catalogue", "select", "set_names"]
