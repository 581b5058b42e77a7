"""A subject's interpreter: this one, one with a released framework, or this one with another revision of the kernel.

For: making the environments that subjects name, keeping them in the user's cache folder, and running the present code
in them. May not: measure, or import a framework.
"""
