from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


def options(*several: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options that two commands share, as one decorator; the help lists them in this order."""
    return lambda command: reduce(lambda made, option: option(made), reversed(several), command)


overlap_option = click.option(
    "--overlap-seconds",
    default=86400,
    show_default=True,
    type=click.IntRange(0, 90 * 86400),
    help="How long the old secret works beside the new one; 0 ends it at once.",
)
