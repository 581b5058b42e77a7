"""``python -m poolbench`` is the command ``poolbench``."""

from poolbench.cli import main

main()
