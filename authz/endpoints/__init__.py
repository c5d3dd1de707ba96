"""One file per URL: parse, call, render; no rule lives here."""
