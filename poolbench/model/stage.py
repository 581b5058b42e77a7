"""What a launch is for; a plan gives it and a row stores it."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """What a launch is for: to find out, or to confirm in fresh processes what was suspected."""

    SURVEY = "survey"
    CONFIRMATION = "confirmation"
