"""Why something was refused, granted narrower or left out: for the app's makers, and for the administrator."""
