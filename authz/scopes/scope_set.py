from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from authz.errors import InvalidScope
from authz.scopes.encoding import TOKEN
from authz.scopes.extension import parse_extension
from authz.scopes.launch import LaunchScope, parse_launch
from authz.scopes.messaging import MessagingScope, parse_messaging
from authz.scopes.named import parse_named
from authz.scopes.reason import Reason
from authz.scopes.resource import ResourceScope, parse_resource
from authz.scopes.unknown import UnknownScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authz.scopes.scope import Scope

MAX_BYTES = 8000
MAX_SCOPES = 200
REMEMBERED = 512  # scopes; at most of MAX_BYTES each, whoever sent them

# pasted settings bring line breaks and tabs; other white space is part of a (malformed) token
ITEM = re.compile(r"[^ \t\r\n]+")

# In order of classification: the first kind that knows a token as its own decides about it.
KINDS: tuple[Callable[[str], Scope | None], ...] = (
    parse_named,
    parse_launch,
    parse_messaging,
    parse_resource,
    parse_extension,
)


@lru_cache(REMEMBERED)
def parse_scope(text: str) -> Scope:
    """Understand one scope token; what is not understood becomes an UnknownScope that says why. Never raises."""
    if not TOKEN.fullmatch(text):
        return UnknownScope(text, "a scope is printable ASCII without spaces, double quotes and backslashes")
    for parse in KINDS:
        if scope := parse(text):
            return scope
    return UnknownScope(
        text, "not a scope of SMART; one of your own is a URI or starts with two underscores", Reason.UNSUPPORTED
    )


@dataclass(frozen=True, slots=True)
class ScopeSet:
    """The scopes of one request, registration or grant, in order, each spelling once.

    Raises InvalidScope when it would be larger than MAX_BYTES bytes or MAX_SCOPES scopes, however it is made, so what
    is granted and stored can be parsed again. Two sets are equal when they mean the same in the same order; compare
    ``str()`` to compare spellings.
    """

    scopes: tuple[Scope, ...] = ()
    text: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", " ".join(map(str, self.scopes)))
        _check_size(len(self.scopes), self.text)

    @classmethod
    def parse(cls, text: str) -> ScopeSet:
        """Read a ``scope`` parameter (RFC 6749 §3.3), tolerant of additional white space.

        ``text`` has been decoded once, with its form or query, and is not decoded again.
        """
        items = ITEM.findall(text)
        _check_size(len(items), text)
        return cls.of(*map(parse_scope, items))

    @classmethod
    def of(cls, *scopes: Scope) -> ScopeSet:
        return cls(tuple({str(scope): scope for scope in scopes}.values()))

    def __str__(self) -> str:
        return self.text

    def __iter__(self) -> Iterator[Scope]:
        return iter(self.scopes)

    def __len__(self) -> int:
        return len(self.scopes)

    def __bool__(self) -> bool:
        return bool(self.scopes)

    def __contains__(self, item: object) -> bool:
        """Whether this very spelling is in the set: ``"openid" in scopes``. For meaning, ask ``covers``."""
        return any(str(scope) == str(item) for scope in self.scopes)

    def __or__(self, other: ScopeSet) -> ScopeSet:
        return ScopeSet.of(*self.scopes, *other.scopes)

    def without(self, *unwanted: str | Scope) -> ScopeSet:
        spellings = set(map(str, unwanted))
        return ScopeSet(tuple(scope for scope in self.scopes if str(scope) not in spellings))

    def covers(self, wanted: Scope | ScopeSet) -> bool:
        """Whether all that ``wanted`` allows is allowed by this set, several scopes taken together.

        An unknown scope is never covered. A partial order on sets of known scopes.
        """
        each = wanted.scopes if isinstance(wanted, ScopeSet) else (wanted,)
        return all(scope.covered_by(self.scopes) for scope in each)

    def narrow_to(self, allowed: ScopeSet) -> ScopeSet:
        """What both sets allow, in the order and spelling of this one.

        Of ``patient/*.read`` within Patient and Observation remain ``patient/Patient.read patient/Observation.read``.
        Raises InvalidScope if saying it would take more than MAX_SCOPES scopes.
        """
        found: list[Scope] = []
        for scope in self.scopes:
            found.extend(scope.narrow(allowed.scopes))
            _check_size(len(set(map(str, found))))  # before more work: pieces multiply
        return ScopeSet.of(*found)

    @property
    def resources(self) -> tuple[ResourceScope, ...]:
        return tuple(scope for scope in self.scopes if isinstance(scope, ResourceScope))

    @property
    def launches(self) -> tuple[LaunchScope, ...]:
        return tuple(scope for scope in self.scopes if isinstance(scope, LaunchScope))

    @property
    def messaging(self) -> tuple[MessagingScope, ...]:
        return tuple(scope for scope in self.scopes if isinstance(scope, MessagingScope))

    @property
    def unknown(self) -> tuple[UnknownScope, ...]:
        return tuple(scope for scope in self.scopes if isinstance(scope, UnknownScope))

    def has_level(self, level: str) -> bool:
        return any(scope.level == level for scope in self.resources)

    @property
    def is_for_patient(self) -> bool:
        """Whether a patient has to be in context: any ``patient/`` scope, or ``launch/patient``."""
        return self.has_level("patient") or LaunchScope("patient") in self.launches


def _check_size(count: int, text: str = "") -> None:
    if count > MAX_SCOPES:
        raise InvalidScope(f"more than {MAX_SCOPES} scopes: ask for fewer, or for * instead of many types")
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise InvalidScope(f"scope is longer than {MAX_BYTES} bytes")
