"""The discovery documents, made from what is switched on; four places, one truth (oauth.md Part 10)."""
