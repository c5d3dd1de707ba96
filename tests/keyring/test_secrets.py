from __future__ import annotations

import hmac
import json
import re
import stat
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

import authz.keyring.secrets as module
from authz.keyring.secrets import Secrets, StoredSecrets, new_secret, rotate_file
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def write(path: Path, content: Any, mode: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def entry(length: int = 32) -> dict[str, str]:
    return {"key": urlsafe_b64encode(b"k" * length).decode()}


def test_a_made_file_is_closed_to_others_and_holds_256_bits(tmp_path: Path) -> None:
    """Decision 6; ASVS 13.3."""
    path = tmp_path / "keys" / "secrets.json"
    rotate_file(path, NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [len(key) for key in Secrets.load(path).keys] == [32]
    assert [found.name for found in path.parent.iterdir()] == ["secrets.json"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"keys": []}, "every key must have 256 bits"),
        ({"keys": [entry(31)]}, "every key must have 256 bits"),
        ({"keys": [entry(), {"key": ""}]}, "every key must have 256 bits"),
        ({"keys": [{}]}, "is not a secrets file"),
        ({"keys": 5}, "is not a secrets file"),
        ({}, "is not a secrets file"),
        ([], "is not a secrets file"),
        ("", "is not a secrets file"),
        ("{", "is not a secrets file"),
    ],
)
def test_an_empty_or_short_secret_is_refused(tmp_path: Path, content: Any, complaint: str) -> None:
    """KT-09: the process refuses to start with a clear message, and never makes a key of its own."""
    path = write(tmp_path / "secrets.json", content)
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        Secrets.load(path)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_refused_and_not_made(tmp_path: Path) -> None:
    """KT-09."""
    path = tmp_path / "secrets.json"
    with pytest.raises(ConfigurationError, match=re.escape(f"{path}: No such file or directory")):
        Secrets.load(path)
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o620, 0o660, 0o602, 0o601])
def test_a_file_open_to_others_or_writable_by_its_group_is_refused(tmp_path: Path, mode: int) -> None:
    """Decision 7, KT-09."""
    path = write(tmp_path / "secrets.json", {"keys": [entry()]}, mode)
    with pytest.raises(ConfigurationError, match=f"mode {mode:04o} lets others read or the group write it"):
        Secrets.load(path)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_a_closed_file_is_read(tmp_path: Path, mode: int) -> None:
    """Decision 7: a mounted secret is readable by its group."""
    assert Secrets.load(write(tmp_path / "secrets.json", {"keys": [entry()]}, mode)).keys == (b"k" * 32,)


def test_after_a_rotation_the_key_before_is_recognised_and_the_new_one_used(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    rotate_file(path, NOW)
    before = Secrets.load(path)
    rotate_file(path, LATER)
    after = Secrets.load(path)
    assert after.keys[1:] == before.keys
    assert after.matches("test", "text", before.mac("test", "text"))
    assert not before.matches("test", "text", after.mac("test", "text"))


def test_the_second_last_key_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    rotate_file(path, NOW)
    first = Secrets.load(path)
    rotate_file(path, NOW)
    rotate_file(path, NOW)
    assert len(Secrets.load(path).keys) == 2
    assert not Secrets.load(path).matches("test", "text", first.mac("test", "text"))


def test_every_purpose_has_its_own_key() -> None:
    """RFC 5869: the purpose is HKDF's info."""
    secrets = Secrets((b"k" * 32,))
    assert secrets.mac("csrf", "text") != secrets.mac("client secret", "text")
    assert not secrets.matches("csrf", "text", secrets.mac("client secret", "text"))


def test_a_mac_is_as_rfc_5869_and_rfc_2104_have_it() -> None:
    """Computed by hand: HKDF-Extract with a zero salt, one round of Expand, HMAC-SHA-256."""
    extracted = hmac.digest(b"\0" * 32, b"k" * 32, "sha256")
    derived = hmac.digest(extracted, b"authz test\1", "sha256")
    assert Secrets((b"k" * 32,)).mac("test", "text") == hmac.digest(derived, b"text", "sha256").hex()


@given(st.text(), st.text())
def test_only_the_same_text_matches(one: str, other: str) -> None:
    secrets = Secrets((b"k" * 32,))
    assert secrets.matches("test", other, secrets.mac("test", one)) == (one == other)


def test_macs_are_compared_in_constant_time_with_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """CA-09, decision 30: the mechanism is asserted, not the time."""
    compared: list[bool] = []

    def recorded(one: bytes, other: bytes) -> bool:
        compared.append(one == other)
        return one == other

    monkeypatch.setattr(module, "compare_digest", recorded)
    secrets = Secrets((b"a" * 32, b"b" * 32, b"c" * 32))
    assert secrets.matches("test", "text", secrets.mac("test", "text"))
    assert compared == [True, False, False]


def test_a_new_secret_reads_the_same_raw_and_percent_encoded() -> None:
    """SYM-04: RFC 6749 §2.3.1 encodes the parts of Basic, many clients don't."""
    secret = new_secret()
    assert quote_plus(secret) == secret
    assert 62 ** len(secret) > 2**256
    assert new_secret() != secret


class TestStoredSecrets:
    stored = StoredSecrets(Secrets((b"k" * 32,)), "client")

    def test_what_is_stored_does_not_hold_the_secret(self) -> None:
        """KT-07."""
        row = self.stored.keep("the secret", NOW)
        mac = Secrets((b"k" * 32,)).mac("client secret", "the secret")
        assert row == {"mac": mac, "created_at": NOW.isoformat(), "expires_at": None}

    def test_only_the_secret_kept_matches(self) -> None:
        rows = [self.stored.keep("the secret", NOW)]
        assert self.stored.any_matches("the secret", rows, LATER)
        assert not self.stored.any_matches("the Secret", rows, LATER)
        assert not self.stored.any_matches("", rows, LATER)

    def test_a_client_secret_is_not_a_secret_of_an_ehr(self) -> None:
        rows = [self.stored.keep("the secret", NOW)]
        assert not StoredSecrets(self.stored.secrets, "ehr").any_matches("the secret", rows, NOW)

    def test_without_a_secret_the_same_work_is_done(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Decision 30: an unknown client costs a comparison like a known one."""
        compared: list[int] = []

        def recorded(one: bytes, other: bytes) -> bool:
            compared.append(len(other))
            return one == other

        monkeypatch.setattr(module, "compare_digest", recorded)
        assert not self.stored.any_matches("the secret", [], NOW)
        assert compared == [64]

    def test_after_a_rotation_both_work_until_the_overlap_ends(self) -> None:
        rows = self.stored.rotate("new", [self.stored.keep("old", NOW)], NOW, timedelta(hours=1))
        just_before, at_end = NOW + timedelta(minutes=59), NOW + timedelta(hours=1)
        assert [self.stored.any_matches(secret, rows, just_before) for secret in ("old", "new")] == [True, True]
        assert [self.stored.any_matches(secret, rows, at_end) for secret in ("old", "new")] == [False, True]

    def test_a_second_rotation_does_not_prolong_the_first_secret(self) -> None:
        rows = self.stored.rotate("second", [self.stored.keep("first", NOW)], NOW, timedelta(hours=1))
        rows = self.stored.rotate("third", rows, NOW + timedelta(minutes=30), timedelta(hours=1))
        assert not self.stored.any_matches("first", rows, NOW + timedelta(hours=1))
        assert self.stored.any_matches("second", rows, NOW + timedelta(minutes=89))

    def test_without_an_overlap_the_old_secret_ends_at_once(self) -> None:
        rows = self.stored.rotate("new", [self.stored.keep("old", NOW)], NOW, timedelta())
        assert rows == [self.stored.keep("new", NOW)]
