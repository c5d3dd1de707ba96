"""What a person decided for an app, and how scopes read in a person's words."""
