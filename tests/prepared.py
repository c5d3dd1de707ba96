"""What is dear to make and always comes out the same: made once for each test process, then shared or copied.

- ``CompiledPages``, ``CompiledRule``: an app compiles its templates and the builders of its URLs; those of one app
  serve all others.
- ``share_statements``: an engine compiles each SQL statement once; what one of SQLite compiled serves all others.
- ``share_keys``: a private key takes 27 ms to import; its file is read, and its mode looked at, by each server anew.
- ``QUICK``: argon2id that takes no time. What a stored hash costs stands in the hash, so that people who were given
  their password by ``QUICK`` sign in quickly; what the product stores is asserted in ``tests/login/test_password.py``.

The rest is beside what it belongs to, and copied: an empty database in ``tests/registries.py``, an installation with
people and apps in ``tests/world.py``, one that a command line made in ``tests/cli/conftest.py``, the demo's in
``tests/doctor/conftest.py``.
"""

from __future__ import annotations

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from argon2 import PasswordHasher
from flask import Flask
from jinja2 import BytecodeCache
from sqlalchemy import create_engine
from werkzeug.routing import Rule

from authz.keyring import signing

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from jinja2.bccache import Bucket
    from joserfc.jwk import RSAKey
    from sqlalchemy import Dialect, Engine

STATEMENTS: MutableMapping[Any, Any] = {}
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class CompiledPages(BytecodeCache):
    """The code of templates by the name and the digest of their source."""

    def __init__(self) -> None:
        self.code: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self.code.get((bucket.key, bucket.checksum)):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.code[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


class CompiledRule(Rule):
    """A rule whose URL builder, which follows from the parts of the rule and its defaults, is an earlier app's."""

    builders: dict[str, Callable[..., tuple[str, str]]] = {}  # noqa: RUF012  shared on purpose

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT001, FBT002  Werkzeug's signature
        key = repr((self.rule, self._trace, self.defaults, append_unknown))
        if key not in self.builders:
            self.builders[key] = super()._compile_builder(append_unknown)
        return self.builders[key]


def share_compiled_code() -> None:
    """Let every app of this process use what another one compiled."""
    Flask.url_rule_class = CompiledRule
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": CompiledPages()}


def share_keys() -> None:
    """Let every keyring of this process have the key that another one imported from the same bytes."""
    known: dict[tuple[bytes, str], RSAKey] = {}
    really = signing.imported

    def imported(pem: bytes, kid: str, name: str) -> RSAKey:
        if (pem, kid) not in known:
            known[pem, kid] = really(pem, kid, name)
        return known[pem, kid]

    signing.imported = imported


def share_statements(engine: Engine) -> None:
    """Let an engine for SQLite use what others compiled, which they keep by the dialect: it gets theirs too.

    There is no public way to do so.
    """
    if engine.dialect.name == "sqlite":
        engine.dialect, engine._compiled_cache = sqlite_dialect(), STATEMENTS


@cache
def sqlite_dialect() -> Dialect:
    """The dialect of an engine that has connected, and so knows this SQLite."""
    engine = create_engine("sqlite://")
    with engine.connect():
        return engine.dialect


def folder(purpose: str) -> Path:
    """An empty folder that is there until the process ends."""
    made = Path(mkdtemp(prefix=f"authz-{purpose}-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
