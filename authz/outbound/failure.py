"""What whoever asks others is told when nothing came of it."""

from __future__ import annotations

from authz.errors import AuthzError


class FetchFailed(AuthzError):
    """Nothing usable came back; the text is for the log. ``refused``: the address itself is not one to call.

    ``is_ours``: nobody there was asked, as looking up the name found no place, or no name server that answered.
    """

    def __init__(self, text: str, *, refused: bool = False, is_ours: bool = False) -> None:
        super().__init__(text)
        self.refused = refused
        self.is_ours = is_ours
