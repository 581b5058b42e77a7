"""Real pooling layers with their sources, and how to select from them.

For: turning what a user writes (a set, an id, a name, a glob, a tag, a file) into workloads.
May not: import a framework or NumPy, measure, or print. The data files are append-only: ids are the store's keys.
"""

from poolbench.catalogue.load import parse_catalogue, read_catalogue
from poolbench.catalogue.passes import Choice, in_passes
from poolbench.catalogue.select import choose, select
from poolbench.catalogue.sets import entries, members, set_names
from poolbench.catalogue.tags import derived_tags

__all__ = [
    "Choice",
    "choose",
    "derived_tags",
    "entries",
    "in_passes",
    "members",
    "parse_catalogue",
    "read_catalogue",
    "select",
    "set_names",
]
