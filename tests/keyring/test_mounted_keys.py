"""``docs/how-to/production.md`` "Keys": rotation where the servers' folder is a Secret that they can't write to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import pytest

from authz.keyring.rotation import Rotation
from authz.keyring.signing import Keyring
from authz.settings import ConfigurationError
from tests.keyring.conftest import PUBLISHED_SECONDS, TOKEN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.keyring.conftest import Keys

CLAIMS = {"sub": "someone"}
READ_SECONDS = 60


@dataclass
class Secret:
    """A volume as the kubelet makes it: links through ``..data``, which is replaced in one step; files of mode 0440."""

    volume: Path
    versions: Iterator[int] = field(default_factory=count)

    def put(self, content: Path) -> None:
        version = self.volume / f"..version-{next(self.versions)}"
        shutil.copytree(content, version)
        for file in version.iterdir():
            file.chmod(0o440)
            link = self.volume / file.name
            if not link.is_symlink():
                link.symlink_to(f"..data/{file.name}")
        fresh = self.volume / "..data_tmp"
        fresh.symlink_to(version.name)
        fresh.replace(self.volume / "..data")


@dataclass
class Site:
    """Servers whose keys are mounted, and an operator with a copy of the folder."""

    keys: Keys
    secret: Secret
    server: Keyring
    copy: Path

    def another_server(self) -> Keyring:
        return Keyring(self.keys.own.db, self.secret.volume, self.keys.own.clock, self.keys.monotonic)

    def rotate(self) -> None:
        """Step 1 of the page, after the time that a next key has to be published."""
        self.keys.pass_time(PUBLISHED_SECONDS + READ_SECONDS)
        own = self.keys.own
        operator = Keyring(own.db, self.copy, own.clock, self.keys.monotonic)
        with own.db.write() as session:
            Rotation(operator, PUBLISHED_SECONDS, TOKEN_SECONDS).rotate(session)
        self.keys.pass_time(READ_SECONDS)


@pytest.fixture
def site(keys: Keys, tmp_path: Path) -> Site:
    volume, copy = tmp_path / "volume", tmp_path / "copy"
    volume.mkdir()
    secret = Secret(volume)
    secret.put(keys.folder)
    shutil.copytree(keys.folder, copy)
    server = Keyring(keys.own.db, volume, keys.own.clock, keys.monotonic)
    return Site(keys, secret, server, copy)


def test_servers_sign_with_the_new_key_before_the_secret_is_put_back(site: Site) -> None:
    """The key that becomes active has been mounted since the last rotation; a server that starts now is ready too."""
    before, following = site.server.sign(CLAIMS), site.keys.kid("next")
    site.rotate()
    for server in (site.server, site.another_server()):
        server.check()
        assert server.active_kid() == following
        assert server.verify(server.sign(CLAIMS)) == CLAIMS
        assert server.verify(before) == CLAIMS
        assert {jwk["kid"] for jwk in server.public_jwks()["keys"]} == set(site.keys.states())


def test_rotations_follow_each_other_when_the_secret_is_put_back(site: Site) -> None:
    """Both steps, three times: what was signed in between stays good, and no server restarts."""
    signed = {site.server.active_kid(): site.server.sign(CLAIMS)}
    for _ in range(3):
        site.rotate()
        site.secret.put(site.copy)
        site.server.check()
        signed[site.server.active_kid()] = site.server.sign(CLAIMS)
    assert [site.another_server().verify(token) for token in signed.values()] == [CLAIMS] * 4


def test_a_server_whose_secret_was_not_put_back_signs_nothing_and_names_the_file(site: Site) -> None:
    """Fails closed at the rotation after it; it is cured by the second step, without a restart."""
    site.rotate()
    site.rotate()
    missing = site.secret.volume / f"{site.keys.kid('active')}.pem"
    for act in (site.server.check, lambda: site.server.sign(CLAIMS)):
        with pytest.raises(ConfigurationError) as refused:
            act()
        assert refused.value.problems == [f"{missing}: No such file or directory"]
    site.secret.put(site.copy)
    site.server.check()
    assert site.server.verify(site.server.sign(CLAIMS)) == CLAIMS
