"""Signing in at the hospital's own OpenID Connect provider, whose relying party this server is.

``provider`` and ``registry`` say which providers there are, ``metadata`` reads what they publish, ``relying_party``
sends a browser there and judges what it brings back, ``sessions`` and ``logout_token`` end with them what began there.
"""
