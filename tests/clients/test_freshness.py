"""How long a fetched key set may be kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.clients.freshness import LONGEST, freshness


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 300),
        ({"cache-control": ""}, 300),
        ({"cache-control": "public"}, 300),
        ({"cache-control": "max-age=60"}, 60),
        ({"cache-control": "Public, MAX-AGE=60"}, 60),
        ({"cache-control": 'public, max-age="60", stale-while-revalidate=600'}, 60),
        ({"cache-control": "max-age=60", "age": "20"}, 40),
        ({"cache-control": "max-age=60", "age": "90"}, 0),
        ({"cache-control": "public", "age": "290"}, 10),
        ({"cache-control": "max-age=31536000"}, 3600),
        ({"cache-control": "max-age=0"}, 0),
        ({"cache-control": "no-store"}, 0),
        ({"cache-control": "no-cache"}, 0),
        ({"cache-control": "max-age=60, no-store"}, 0),
        ({"cache-control": 'no-cache="set-cookie", max-age=60'}, 0),
        ({"cache-control": "s-maxage=3600, max-age=5"}, 5),
        ({"cache-control": "max-age=600, max-age=5"}, 0),
        ({"cache-control": "max-age=-1"}, 0),
        ({"cache-control": "max-age=1.5"}, 0),
        ({"cache-control": "max-age"}, 0),
        ({"cache-control": "max-age=x"}, 0),
        ({"cache-control": "max-age=99999999999999999999"}, 0),
        ({"cache-control": "max-age=60;"}, 0),
        ({"cache-control": '"'}, 0),
        ({"cache-control": "max-age=60", "age": "soon"}, 0),
        ({"pragma": "no-cache"}, 0),
        ({"expires": "0"}, 0),
    ],
)
def test_a_set_is_kept_as_long_as_its_sender_says_and_no_longer(headers: dict[str, str], seconds: int) -> None:
    """ASY-21..23, AMB-17: five minutes where nothing is said, an hour at most, not at all where it can't be read."""
    assert freshness(headers) == timedelta(seconds=seconds)


@given(st.text(), st.text())
def test_whatever_is_said_is_read_without_a_fault(said: str, age: str) -> None:
    """CA-45: between nothing and the longest."""
    assert timedelta(0) <= freshness({"cache-control": said, "age": age}) <= timedelta(seconds=LONGEST)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from(["", "private, ", "must-revalidate, "]))
def test_never_longer_than_what_is_left_of_max_age(max_age: int, age: int, before: str) -> None:
    """ASY-21: the sender's limit, less what was used up on the way."""
    found = freshness({"cache-control": f"{before}max-age={max_age}", "age": str(age)})
    assert found == timedelta(seconds=min(max(0, max_age - age), LONGEST))
