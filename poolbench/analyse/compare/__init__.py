"""What a run of many subjects found, and when it has measured enough."""
