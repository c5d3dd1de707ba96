"""Where facts live: SQL is the truth; the short-lived store may vanish and never grants anything."""
