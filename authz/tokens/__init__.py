"""Grants, codes, tokens: issued, spent, introspected, revoked."""
