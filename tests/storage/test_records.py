"""Records under handles: what is stored, and which handles are known."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.keyring.seal import Seal
from authz.keyring.secrets import Secrets
from authz.storage.records import Records, digest
from authz.storage.sqlite import SQLiteBackend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.storage.short_lived import Backend
    from tests.storage.conftest import Store

SEAL = Seal(Secrets((b"s" * 32,)), "thing")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def records_on(backend: Backend) -> Records[Any]:
    return Records(backend, "thing:", encode, json.loads, SEAL)


@pytest.fixture
def records(backend: Backend) -> Records[Any]:
    return records_on(backend)


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records[Any]]:
    """Records for properties, which are tried many times in one test."""
    backend = SQLiteBackend(tmp_path_factory.mktemp("records") / "short-lived.sqlite3", now=lambda: 1_800_000_000.0)
    yield records_on(backend)
    backend.close()


@given(JSON)
def test_any_value_comes_back_under_its_handle_and_only_once(roomy: Records[Any], value: Any) -> None:
    value = {"value": value}
    handle = roomy.put(value, 60)
    assert [roomy.peek(handle), roomy.peek(handle), roomy.consume(handle)] == [value] * 3
    assert [roomy.peek(handle), roomy.consume(handle)] == [None, None]


@given(st.text() | st.text(alphabet="\x00aé\ud800", min_size=1) | st.binary(min_size=600).map(bytes.hex))
def test_any_other_text_is_just_unknown(roomy: Records[Any], handle: str) -> None:
    roomy.forget(handle)
    assert [roomy.peek(handle), roomy.consume(handle)] == [None, None]


@given(st.text(), st.text())
def test_a_digest_is_sha_256_and_tells_texts_apart(one: str, other: str) -> None:
    """Decision 6: tokens, codes, launches and handles are stored as SHA-256."""
    assert digest(one) == hashlib.sha256(one.encode()).hexdigest()
    assert (digest(one) == digest(other)) == (one == other)


def test_a_lone_surrogate_has_a_digest_too() -> None:
    assert digest("\ud800") != digest("\udfff")


def test_a_handle_has_256_bits_and_fits_a_url(records: Records[Any]) -> None:
    handles = {records.put({}, 60) for _ in range(20)}
    assert len(handles) == 20
    assert all(len(handle) == 43 and set(handle) <= URL_SAFE for handle in handles)


URL_SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_store_knows_only_the_digest_of_a_handle(records: Records[Any], backend: Backend) -> None:
    """Decisions 4 and 6: the key is the prefix and the SHA-256 in hex, the value what ``encode`` made, sealed."""
    handle = records.put({"patient": "123"}, 60)
    key = "thing:" + hashlib.sha256(handle.encode()).hexdigest()
    stored, *others = backend.get(key, "thing:" + handle, handle)
    assert stored is not None
    assert SEAL.open(key, stored) == b'{"patient": "123"}'
    assert others == [None, None]


@pytest.mark.parametrize("how", ["written", "moved", "changed"])
def test_a_record_that_another_hand_put_there_is_not_found(records: Records[Any], backend: Backend, how: str) -> None:
    """H5 of SECURITY.md: who can write into the store makes, moves and changes nothing."""
    theirs = {"patient": "9"}
    [sealed] = backend.get("thing:" + digest(records.put(theirs, 60)))
    assert sealed is not None
    stored = {"written": encode(theirs), "moved": sealed, "changed": sealed.replace(b"9", b"8")}[how]
    mine = records.put({"patient": "1"}, 60)
    backend.put({"thing:" + digest(mine): stored}, 60)
    assert [records.peek(mine), records.consume(mine)] == [None, None]


def test_records_of_two_kinds_do_not_meet(records: Records[Any], backend: Backend) -> None:
    others: Records[Any] = Records(backend, "other:", encode, json.loads, SEAL)
    handle = records.put(1, 60)
    assert [others.peek(handle), others.consume(handle), records.peek(handle)] == [None, None, 1]


def test_a_record_expires(records: Records[Any], store: Store) -> None:
    handle = records.put(1, 60)
    store.end_life("thing:" + digest(handle))
    assert [records.peek(handle), records.consume(handle)] == [None, None]


def test_replace_changes_the_value_under_the_same_handle(records: Records[Any]) -> None:
    handle = records.put({"step": 1}, 60)
    records.replace(handle, {"step": 2}, 60)
    assert records.peek(handle) == {"step": 2}


@pytest.mark.parametrize("handle", ["", "é", "a" * 513])
def test_replace_refuses_what_cannot_be_a_handle(records: Records[Any], handle: str) -> None:
    with pytest.raises(ValueError, match="not a handle"):
        records.replace(handle, {}, 60)


def test_forget_ends_a_record(records: Records[Any]) -> None:
    handle, kept = records.put(1, 60), records.put(2, 60)
    records.forget(handle)
    assert [records.peek(handle), records.peek(kept)] == [None, 2]
