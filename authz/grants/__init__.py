"""Authlib's dispatch of the token endpoint; each grant returns one Authorization."""
