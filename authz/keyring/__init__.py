"""Keys and secrets of this server: signing keys (next, active, retired) and the HMAC secrets of decision 6."""
