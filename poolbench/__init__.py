"""poolbench."""
