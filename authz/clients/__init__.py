"""Registered apps and how they prove who they are."""
