"""The words of the design as types: frozen dataclasses and enums.

For: what every other package passes around.
May not: import anything but the standard library and ``poolbench.errors``; do I/O; read a clock.
"""
