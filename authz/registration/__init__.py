"""How apps come here by themselves, and where their approval stands (SMART section 5, RFC 7591, RFC 7592).

A client is the app; a registration says how it came and what was decided about it. An app that an administrator added
has no registration and is approved.
"""
