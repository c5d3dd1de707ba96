from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

import click

from authz.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


def options(*several: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options that two commands share, as one decorator; the help lists them in this order."""
    return lambda command: reduce(lambda made, option: option(made), reversed(several), command)


def assignments(texts: tuple[str, ...], rule: str) -> dict[str, str]:
    """What ``name=value`` says, each time it is given. Raises InvalidValue with the rule."""
    pairs = [text.partition("=") for text in texts]
    if not all(separator for _, separator, _ in pairs):
        raise InvalidValue(rule)
    return {name: value for name, _, value in pairs}


def default_grant_types(scope: str) -> list[str]:
    """An app that may ask for ``offline_access`` or ``online_access`` may refresh."""
    refreshes = {"offline_access", "online_access"} & set(scope.split())
    return ["authorization_code", "refresh_token"] if refreshes else ["authorization_code"]


overlap_option = click.option(
    "--overlap-seconds",
    default=86400,
    show_default=True,
    type=click.IntRange(0, 90 * 86400),
    help="How long the old secret works beside the new one; 0 ends it at once.",
)
