"""The front channel without Flask: the request, what is pending, the next step, the answer."""
