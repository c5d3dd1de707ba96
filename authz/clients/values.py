"""The rules for one value of a client's metadata, whatever member it stands in."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from marshmallow import ValidationError, validate
from marshmallow import fields as mm

from authz.clients.redirect_uri import LAUNCH_PARAMETERS, problems
from authz.errors import InvalidScope
from authz.fhir_servers.url import origin_problems
from authz.keyring.public_keys import jwks_problems
from authz.scopes import ScopeSet, UnknownScope

MAX_NAME = 255
MAX_DRAWN = 512  # characters of a name, each taken apart: in some of them a whole sentence is written
MAX_ITEMS = 20
MAX_TEXT = 2048
INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})  # could make one app's name look like another's
IGNORABLE = (  # Unicode's Default_Ignorable_Code_Point, where it is no control character
    *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
    *range(0xE0000, 0xE1000),
)
BLANK = frozenset("\u2800\ufffc\U00013441\U00013442") | frozenset(map(chr, IGNORABLE))  # nothing is seen of them
WRITTEN = frozenset("LN")  # categories of what a name is told by: letters and numbers
MOST_MARKS = 3  # on one letter: Hebrew, Thai and Vietnamese need as many; more would be drawn over other lines
SPACES = re.compile(r"^ | $|  ")  # names that differ in these look the same


def check_name(value: str) -> None:
    """What people read: visible, and written in one way only (security.md RG-15)."""
    categories = [unicodedata.category(c) for c in value]
    hidden = not INVISIBLE.isdisjoint(categories) or any(c != " " and c.isspace() for c in value)
    if hidden or not BLANK.isdisjoint(value) or WRITTEN.isdisjoint(category[0] for category in categories):
        raise ValidationError("must be visible characters")
    if "M" * (MOST_MARKS + 1) in "".join(category[0] for category in categories):
        raise ValidationError(f"must not have more than {MOST_MARKS} marks on one letter")
    if len(unicodedata.normalize("NFKD", value)) > MAX_DRAWN:
        raise ValidationError(f"must not be more than {MAX_DRAWN} letters when each sign is written out")
    if SPACES.search(value):
        raise ValidationError("must not begin or end with a space, nor have two together")
    if value != unicodedata.normalize("NFC", value):
        raise ValidationError("must be Unicode in normal form C")


def check_scope(value: str) -> None:
    try:
        scopes = ScopeSet.parse(value)
    except InvalidScope as error:
        raise ValidationError(error.description) from error
    unknown = [f"{scope} ({scope.reason})" for scope in scopes if isinstance(scope, UnknownScope)]
    if unknown:
        raise ValidationError(f"can't be granted: {', '.join(unknown)}")


def check_web_address(value: str) -> None:
    """https, or http on loopback; ``web`` because an app's pages are no matter of its own schemes."""
    check_all(problems(value, "web", ()))


def check_https(value: str) -> None:
    """As OpenID Connect Registration §2 wants some addresses: nothing but https (security.md RG-13, RG-14)."""
    check_web_address(value)
    if not value.startswith("https://"):
        raise ValidationError("must be https")


def check_launch_uri(value: str) -> None:
    """SMART REG-01: complete and constant; ``iss`` and ``launch`` are the EHR's to add."""
    check_all(problems(value, "native", LAUNCH_PARAMETERS))


def check_origin(value: str) -> None:
    check_all(origin_problems(value))


def check_jwks(value: Any) -> None:
    check_all(jwks_problems(value))


def check_all(found: list[str]) -> None:
    if found:
        raise ValidationError(found)


def check_distinct(values: list[str]) -> None:
    if len(values) != len(set(values)):
        raise ValidationError("must not hold the same value twice")


def texts(*checks: Any, **options: Any) -> mm.List[str]:
    """An array of strings, each checked."""
    item = mm.String(validate=[validate.Length(max=MAX_TEXT), *checks])
    return mm.List(item, validate=[validate.Length(max=MAX_ITEMS), check_distinct], **options)


def name() -> mm.String:
    return mm.String(validate=[validate.Length(1, MAX_NAME), check_name])


def web_address() -> mm.String:
    return mm.String(validate=[validate.Length(max=MAX_TEXT), check_web_address])


def flag() -> mm.Boolean:
    """True or false, and no other word for them."""
    return mm.Boolean(truthy={True}, falsy={False})
