"""Builds of the real kernel that are ended by force: minutes, and so no part of the tests."""
