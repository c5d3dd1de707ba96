"""What every kind of scope can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Scope:
    """One scope token. ``str()`` is the spelling asked for; equality is by meaning, not by spelling.

    The answers here are for scopes that are all or nothing; a kind with parts overrides them.
    """

    __slots__ = ()

    @property
    def normal_form(self) -> str:
        """One spelling for all scopes that mean the same."""
        return str(self)

    def covered_by(self, held: Sequence[Scope]) -> bool:
        """Whether whoever holds all of ``held`` may do everything this scope allows."""
        return self in held

    def covers(self, other: Scope) -> bool:
        """Whether this scope alone allows everything that ``other`` allows."""
        return other.covered_by((self,))

    def narrow(self, allowed: Sequence[Scope]) -> tuple[Scope, ...]:
        """What is left of this scope within ``allowed``, in this scope's own spelling where one exists."""
        return (self,) if self.covered_by(allowed) else ()
