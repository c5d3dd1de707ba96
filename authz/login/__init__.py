"""Ways to sign in, and the browser session."""
