"""``authz client scopes``: what of its registration an app makes use of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.cli.context import services
from authz.cli.output import json_option, show_list
from authz.errors import NotFound
from authz.scopes import ScopeSet
from authz.tokens.uses import granted_scopes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

COLUMNS = ("scope", "granted", "last_granted")


@click.command("scopes")
@click.argument("client_id")
@json_option
def scopes(client_id: str) -> None:
    """Show what of its registered scopes an app was granted, and when last; what nobody uses need not be registered."""
    with services() as made:
        client = made.clients.find(client_id)
        if client is None:
            raise NotFound(f"there is no client {client_id}")
        with made.db.read() as session:
            granted = granted_scopes(session, client_id)
        show_list(list(use(client.scope, granted)), COLUMNS)


def use(registered: ScopeSet, granted: Sequence[tuple[str, datetime]]) -> Iterator[dict[str, Any]]:
    """For each registered scope the parts of it that were granted; an unused one has none."""
    read = [(ScopeSet.parse(text), at) for text, at in granted]
    for scope in registered:
        parts = [(ScopeSet.of(scope).narrow_to(given), at) for given, at in read]
        used = [(part, at) for part, at in parts if part]
        spellings = {str(one) for part, _ in used for one in part}
        last = max((at for _, at in used), default=None)
        yield {
            "scope": str(scope),
            "granted": " ".join(sorted(spellings)),
            "last_granted": last.isoformat() if last else None,
        }
