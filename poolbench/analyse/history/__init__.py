"""A subject's releases or revisions as series, and where they change."""
