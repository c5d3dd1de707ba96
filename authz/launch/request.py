"""A launch as its EHR described it, over HTTP or in the store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.errors import InvalidRequest
from authz.launch.context import MEMBERS, LaunchContext
from authz.launch.fields import ABSOLUTE_URI

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from marshmallow import Schema

CLOCKS_APART_SECONDS = 10  # the EHR's and ours
EXTENSION_NAME = re.compile(rf"__[A-Za-z0-9._\-]{{1,126}}|(?=.{{1,256}}\Z)(?:{ABSOLUTE_URI.pattern})")
NOT_A_NAME = "__proto__"  # would change every object of a careless JavaScript app
CONTEXT_MEMBERS = frozenset(MEMBERS) | {"fhirContext"}


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A launch as its EHR described it: well formed, but nothing in it is known to be true."""

    members: dict[str, Any]  # as written
    client_id: str
    fhir_server: str  # base URL
    user: str
    context: LaunchContext
    launch_url: str | None = None
    session: str | None = None
    web_messaging_origin: str | None = None
    auth_time: int | None = None
    exp: int | None = None  # only in a record


def load(schema: Schema, members: Mapping[str, Any]) -> LaunchRequest:
    """Raises InvalidRequest naming every member that can't be."""
    if problems := problems_of(schema, members):
        raise InvalidRequest("; ".join(problems))
    known = known_to(schema)
    read: dict[str, Any] = schema.load({name: value for name, value in members.items() if name in known})
    extensions = members.keys() - known
    context = {name: value for name, value in members.items() if name in CONTEXT_MEMBERS or name in extensions}
    others = {name: value for name, value in read.items() if name not in LaunchContext.__slots__}
    return LaunchRequest(members=dict(members), context=LaunchContext.from_parameters(context), **others)


def problems_of(schema: Schema, members: Mapping[str, Any]) -> list[str]:
    """Everything that can't be, as ``member: what is wrong``."""
    known = known_to(schema)
    names = [
        f"{name}: not a member of a launch, and a name of your own is a URI or starts with two underscores"
        for name in members
        if name not in known and (name == NOT_A_NAME or not EXTENSION_NAME.fullmatch(name))
    ]
    return [*in_words(schema.validate({name: value for name, value in members.items() if name in known})), *names]


def known_to(schema: Schema) -> frozenset[str]:
    return frozenset(field.data_key or name for name, field in schema.fields.items())


def check_auth_time(asked: LaunchRequest, now: datetime) -> None:
    """Nobody has signed in tomorrow. Raises InvalidRequest."""
    if asked.auth_time is not None and asked.auth_time > now.timestamp() + CLOCKS_APART_SECONDS:
        raise InvalidRequest("auth_time: is in the future")


def in_words(errors: Mapping[Any, Any], path: str = "") -> list[str]:
    """``{"fhirContext": {0: {"role": [...]}}}`` as ``fhirContext[0].role: ...``."""
    found = []
    for key, below in errors.items():
        if key == "_schema":
            here = path
        elif isinstance(key, int):
            here = f"{path}[{key}]"
        else:
            here = f"{path}.{key}" if path else str(key)
        found += (
            in_words(below, here) if isinstance(below, dict) else [f"{here}: {text}" for text in dict.fromkeys(below)]
        )
    return found
