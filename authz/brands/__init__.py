"""User-access brands (SMART section 21): the organisations whose records people can share, as apps list them.

Owns what an administrator writes, the rules for publishers, and the published bundle.
"""
