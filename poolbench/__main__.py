"""``python -m poolbench`` is the command ``poolbench``."""

import contextlib
import os
import sys

# Python puts the current folder before all else here, which it does not for ``poolbench``: a random.py that lies there
# is none of ours.
with contextlib.suppress(FileNotFoundError):  # the folder is gone, and so not there
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
        del sys.path[0]

from poolbench.cli import main

main()
