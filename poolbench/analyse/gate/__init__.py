"""Base against head: the verdicts, what is measured next for them, and how often they err."""
