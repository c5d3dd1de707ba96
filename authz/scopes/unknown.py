from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.scopes.reason import Reason
from authz.scopes.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class UnknownScope(Scope):
    """A token that is never granted; RFC 6749 §3.3 lets the server ignore it (SMART 2.2: "MAY ignore").

    ``text`` is unchecked and may hold any character; ``reason`` is a sentence for the app's developer.
    """

    text: str
    reason: str
    code: Reason = Reason.MALFORMED

    def __str__(self) -> str:
        return self.text

    def covered_by(self, held: Sequence[Scope]) -> bool:  # noqa: ARG002  # the question is the same for every kind
        """Never, not even by itself: what is not understood cannot be shown to be harmless."""
        return False
