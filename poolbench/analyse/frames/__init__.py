"""Tidy pandas frames of stored runs."""
