"""Watching a model for as long as its process lives: what its pooling layers cost, and when that changes.

For: sampling a fraction of a model's steps, timing each pooling call in them, and handing what was seen to exporters.
May not: raise anything in the user's step, start a thread of its own, or leave a hook behind when it is off. Only the
exporter that serves a port has a thread, and that one ends with it.
"""
