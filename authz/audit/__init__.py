"""What happened, append-only and hash-chained (security.md section 4)."""
