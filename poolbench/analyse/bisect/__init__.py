"""Which commit changed the speed: what is believed after some readings, where to measure next, when that is enough.

For: pure functions of readings. May not: measure, read files, or know what a commit is.
"""
