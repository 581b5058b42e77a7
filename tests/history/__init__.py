"""Checks of ``poolbench history`` that measure for minutes: commands, which no test run collects."""
