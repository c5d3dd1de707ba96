"""Signing keys and secrets: there, closed to others, not too old."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from authz.doctor.finding import Finding
from authz.keyring.files import mode_problem
from authz.keyring.model import SigningKeyRow
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.services import Services

ROTATE_AFTER = timedelta(days=183)
RETIRED_LONG = timedelta(days=30)
SECRETS_AFTER = timedelta(days=730)


def keys(made: Services) -> Iterator[Finding]:
    with made.db.read() as session:
        rows = session.scalars(select(SigningKeyRow).order_by(SigningKeyRow.created_at)).all()
    try:
        made.keyring.check()
    except ConfigurationError as error:
        yield from (Finding("keys.active", "signing keys", problem) for problem in error.problems)
    if "next" not in {row.state for row in rows}:
        yield Finding("keys.next", "signing keys", "there is no next key")
    for row in rows:
        yield from key(made, row)
    yield from files(made)


def key(made: Services, row: SigningKeyRow) -> Iterator[Finding]:
    now = made.now()
    if row.state == "next":
        path = made.settings.keys_dir / f"{row.kid}.pem"
        problem = mode_problem(path) if path.exists() else f"{path} is not there"
        if problem:
            yield Finding("keys.file", row.kid, problem)
    if row.state == "active" and row.activated_at is not None and now - row.activated_at > ROTATE_AFTER:
        yield Finding("keys.rotation", row.kid, f"it signs since {row.activated_at.date()}")
    if row.retired_at is not None and now - row.retired_at > RETIRED_LONG:
        yield Finding("keys.retired", row.kid, f"it is retired since {row.retired_at.date()} and still published")


def files(made: Services) -> Iterator[Finding]:
    folder = made.settings.keys_dir
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Finding("keys.directory", str(folder), f"mode {mode:04o} lets others put files there")
    newest = json.loads((folder / "secrets.json").read_bytes())["keys"][0].get("created_at")
    if newest is not None and made.now() - datetime.fromisoformat(newest) > SECRETS_AFTER:
        yield Finding("keys.secrets", "secrets.json", f"the newest secret is of {newest[:10]}")
