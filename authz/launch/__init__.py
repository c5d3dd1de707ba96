"""The launch: the context an EHR puts down for an app, and what an app gets from it."""
