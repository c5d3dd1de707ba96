from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from authz.keyring.seal import Seal
from authz.keyring.secrets import Secrets

OLD, NEW = b"o" * 32, b"n" * 32
SEAL = Seal(Secrets((NEW, OLD)), "test")


@given(key=st.text(max_size=80), content=st.binary(max_size=80))
def test_what_was_sealed_is_opened_under_its_own_key_alone(key: str, content: bytes) -> None:
    sealed = SEAL.close(key, content)
    assert SEAL.open(key, sealed) == content
    assert SEAL.open(f"{key}x", sealed) is None
    assert Seal(Secrets((NEW,)), "another test").open(key, sealed) is None


@given(key=st.text(max_size=20), stored=st.binary(max_size=80))
def test_what_somebody_else_wrote_is_never_opened(key: str, stored: bytes) -> None:
    assert SEAL.open(key, stored) is None


def test_a_secret_that_was_replaced_still_opens_until_it_is_gone() -> None:
    """Decision 6: ``authz keys secrets`` ends no session."""
    sealed = Seal(Secrets((OLD,)), "test").close("key", b"content")
    assert SEAL.open("key", sealed) == b"content"
    assert Seal(Secrets((NEW,)), "test").open("key", sealed) is None
