"""``authz doctor``: looks at a running installation from inside and from outside, and says what to mend.

Each module looks at one part and yields findings; none raises, none changes anything.
"""
