"""The kinds of values in a launch record, each strict: a banner flag that is no boolean is refused, never guessed."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields
from marshmallow.validate import Length, Range, Regexp

from authz.settings import LOOPBACK_HOSTS

END_OF_TIME = 253_402_300_799  # the last second of the year 9999
LONGEST = 2_048  # characters of an identifier or URL
# RFC 3986 §3 and §2: each alternative starts with another character, so matching is linear
ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=|]|%[0-9A-Fa-f]{2})+")
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
TYPE_NAME = re.compile(r"[A-Z][A-Za-z]{0,63}")
RELATIVE_REFERENCE = re.compile(rf"({TYPE_NAME.pattern})/({FHIR_ID.pattern})")
LABEL = re.compile(r"[^<>\x00-\x1f\x7f-\x9f]{1,256}")
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,1024}")


class Text(fields.String):
    """A string that matches as a whole; JSON's other types are not converted."""

    def __init__(self, pattern: re.Pattern[str], rule: str, **options: Any) -> None:
        whole = Regexp(re.compile(rf"(?:{pattern.pattern})\Z", pattern.flags), error=rule)
        bounds = Length(1, LONGEST, error=rule)
        super().__init__(validate=[bounds, whole], error_messages=messages(rule), **options)


class LongText(fields.String):
    """A string of any characters, up to a number of them."""

    def __init__(self, longest: int, **options: Any) -> None:
        rule = f"must be a string of 1 to {longest} characters"
        super().__init__(validate=Length(1, longest, error=rule), error_messages=messages(rule), **options)


class StrictBoolean(fields.Boolean):
    """``true`` or ``false`` and nothing that resembles them (security.md LA-05: a wrong patient may be on screen)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:  # noqa: ARG002  the base class's signature
        if not isinstance(value, bool):
            raise ValidationError("must be true or false, a JSON boolean")
        return value


class WholeNumber(fields.Integer):
    """A number of seconds since 1970, as ``exp`` in a JWT."""

    def __init__(self, **options: Any) -> None:
        rule = "must be a whole number of seconds since 1970"
        in_time = Range(0, END_OF_TIME, error=rule)
        super().__init__(strict=True, validate=in_time, error_messages=messages(rule), **options)


class Url(fields.String):
    """An https URL; http is for loopback, where a demo lives."""

    def __init__(self, **options: Any) -> None:
        rule = f"must be an https URL of at most {LONGEST} characters"
        super().__init__(error_messages=messages(rule), **options)
        self.rule = rule

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not is_web_url(text):
            raise ValidationError(self.rule)
        return text


def is_web_url(text: str) -> bool:
    if len(text) > LONGEST or not ABSOLUTE_URI.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for one that is none
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or "|" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)


def messages(rule: str) -> dict[str, str | list[Any] | dict[Any, Any]]:
    """One sentence for whatever is wrong with a value."""
    return {"required": "is missing", "null": rule, "invalid": rule, "too_large": rule, "invalid_utf8": rule}
