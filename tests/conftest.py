"""Settings for all tests."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.skipped import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]

# A shared machine is slow at times, which says nothing about the code: no test asserts a time, hypothesis' own limits
# included. CI draws the same examples each time, so that a change is blamed only for what it did.
settings.register_profile(
    "poolbench",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("poolbench")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what compiles first: its compilers fill the gaps in which other tests wait, and at the end none waits."""
    items.sort(key=lambda item: item.get_closest_marker("compiles") is None)
