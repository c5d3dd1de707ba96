from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.registration.findings import Named, addresses, is_same_site, named, names
from authz.registration.report import Finding, Level

OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR
WEB = {
    "client_name": "Growth",
    "client_uri": "https://growth.example",
    "redirect_uris": ["https://app.growth.example/cb"],
}
CLAIMABLE = "another app on the same device can claim this scheme; an https address that the app claims is safer"
UNIQUE = Finding(OK, "client_name", "no other app or organisation has a name like it")


def words(found: Any) -> list[str]:
    return [f"{finding.level} {finding.subject} {finding.words}" for finding in found]


def test_an_app_whose_addresses_are_its_own_is_well() -> None:
    assert words(addresses(WEB)) == ["ok redirect_uris all lead to the app's own site"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"launch_uris": ["https://other.example/launch"]},
            ["launch_uris https://other.example/launch: is not at the app's own site, growth.example"],
        ),
        (
            {"redirect_uris": ["https://growth.example:8443/cb"]},
            ["redirect_uris https://growth.example:8443/cb: the port 8443 is unusual"],
        ),
        (
            {"redirect_uris": ["http://127.0.0.1:4000/cb"]},
            ["redirect_uris http://127.0.0.1:4000/cb: is the user's own machine, so it is for trying out only"],
        ),
        (
            {"redirect_uris": ["com.example.app:/cb"], "application_type": "native"},
            [f"redirect_uris com.example.app:/cb: {CLAIMABLE}"],
        ),
        (
            {"client_uri": None, "redirect_uris": ["https://a.example/cb", "https://b.example.net/cb"]},
            ["redirect_uris they lead to different sites: a.example, b.example.net"],
        ),
    ],
)
def test_addresses_that_a_reviewer_should_look_at(changes: dict[str, Any], expected: list[str]) -> None:
    assert words(addresses(WEB | changes)) == [f"warning {line}" for line in expected]


def test_answers_that_go_to_another_site_than_people_read_are_an_error() -> None:
    """RG-15, RFC 7591 §5: the consent page has the host of ``client_uri`` for the app's maker."""
    assert words(addresses(WEB | {"redirect_uris": [*WEB["redirect_uris"], "https://evil.example.net/cb"]})) == [
        "error redirect_uris https://evil.example.net/cb: is not at the app's own site, growth.example"
    ]


def test_leading_people_to_another_site_after_they_signed_out_is_an_error() -> None:
    """RG-15, AZ-61: no time approves it; somebody looks."""
    uri = "https://evil.example.net/sign-in-again"
    assert words(addresses(WEB | {"post_logout_redirect_uris": [uri]})) == [
        f"error post_logout_redirect_uris {uri}: is not at the app's own site, growth.example"
    ]


def test_a_native_app_may_come_back_to_the_users_own_machine() -> None:
    """RFC 8252 §7.3."""
    said = WEB | {"redirect_uris": ["http://127.0.0.1/cb"], "application_type": "native"}
    assert words(addresses(said)) == ["ok redirect_uris all lead to the app's own site"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("app.example", "app.example", True),
        ("login.app.example", "app.example", True),
        ("a.growth.example", "b.growth.example", True),
        ("growth.example", "health.example", False),
        ("growth.co.uk", "health.co.uk", False),
        ("a.growth.co.uk", "b.growth.co.uk", True),
        ("notapp.example", "app.example", False),
        ("localhost", "app.example", False),
    ],
)
def test_which_hosts_have_one_owner_most_likely(one: str, other: str, same: bool) -> None:  # noqa: FBT001  a table
    assert is_same_site(one, other) is same is is_same_site(other, one)


def app(client_id: str, name: str, *uris: str, is_approved: bool = False) -> Named:
    return named(client_id, {"client_name": name, "redirect_uris": uris}, is_approved=is_approved)


MINE = app("mine", "Growth Chart", "https://app.growth.example/cb")


def test_a_name_of_its_own_is_well() -> None:
    assert list(names(MINE, [app("other", "Heart")], ["Test Hospital"])) == [UNIQUE]


def test_the_name_of_an_approved_app_is_an_error() -> None:
    """security.md RG-15."""
    other = app("other", "Grоwth Chart", "https://elsewhere.example/cb", is_approved=True)  # noqa: RUF001  that is the trick
    assert words(names(MINE, [other], [])) == [
        "error client_name reads like Grоwth Chart (other), an approved app"  # noqa: RUF001  that is the trick
    ]


def test_the_name_of_an_app_that_is_not_approved_is_worth_a_look() -> None:
    """Anybody may register anything: that must not stop those who really have the name."""
    assert words(names(MINE, [app("other", "growth chart")], [])) == [
        "warning client_name reads like growth chart (other), another app that is not approved"
    ]


@pytest.mark.parametrize(
    ("uris", "level"),
    [
        (["https://app.growth.example/v2"], WARNING),
        (["https://app.growth.example/v2", "https://evil.example/cb"], ERROR),
        (["https://app.growth.example/v2", "com.evil.app:/cb"], ERROR),
        (["https://app.growth.example/v2", "http://127.0.0.1/cb"], ERROR),
        (["com.evil.app:/cb"], ERROR),
        ([], ERROR),
    ],
)
def test_only_whoever_answers_at_the_same_hosts_and_nowhere_else_may_share_a_name(
    uris: list[str], level: Level
) -> None:
    """Nobody proves a private-use scheme or the user's own machine; and one address of the other's proves nothing."""
    approved = app("other", "Growth Chart", "https://app.growth.example/cb", "com.evil.app:/cb", is_approved=True)
    (found,) = names(app("mine", "Growth Chart", *uris), [approved], [])
    assert found.level is level


def test_an_app_is_not_named_like_the_hospital() -> None:
    """RG-15: nor as if it were a part of it, unless a person lets it."""
    found = words(names(app("mine", "TEST H0SPITAL"), [], ["Test Hospital"]))
    assert found == ["error client_name TEST H0SPITAL: reads like the organisation Test Hospital"]
    found = words(names(app("mine", "Test Hospital Portal"), [], ["Test Hospital"]))
    assert found == ["error client_name Test Hospital Portal: has the name of the organisation Test Hospital in it"]


def test_letters_of_two_scripts_are_an_error_and_names_in_one_are_well() -> None:
    """RG-15: so that no comparison has to know each of them; who means it asks a person."""
    mixed = app("mine", "Gr\u043ewth")
    assert words(names(mixed, [], [])) == ["error client_name Gr\u043ewth: mixes letters of Cyrillic and Latin"]
    for name in ("Здоровье 24", "健康アプリ", "健康 App", "صحة App", "Santé", "❤ Heart"):
        assert list(names(app("mine", name), [], [])) == [UNIQUE]


def test_names_in_every_language_are_compared() -> None:
    said = {"client_name": "Croissance", "client_name#en": "Test Hospital"}
    found = words(names(named("mine", said, is_approved=False), [], ["Test Hospital"]))
    assert found == ["error client_name Test Hospital: reads like the organisation Test Hospital"]


TEXT = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
HOST = st.one_of(st.lists(LABEL, min_size=1, max_size=4).map(".".join), st.just("[::1]"), st.just("127.0.0.1"))
URI = st.one_of(
    st.builds("https://{}:{}/{}".format, HOST, st.integers(1, 65535), LABEL),
    st.builds("https://{}".format, HOST),
    st.builds("com.{}:/{}".format, LABEL, LABEL),
    st.builds("com.{}.app:".format, LABEL),
)


@given(
    st.lists(URI, max_size=5),
    URI | st.none(),
    st.dictionaries(TEXT, TEXT, max_size=4),
    st.sampled_from(["web", "native"]),
)
def test_whatever_may_be_registered_is_found_well_or_not_and_breaks_nothing(
    uris: list[str], home: str | None, tagged: dict[str, str], application_type: str
) -> None:
    """Robustness: what is checked is a stranger's."""
    said: dict[str, Any] = {"client_name": "x", "redirect_uris": uris, "application_type": application_type}
    said |= {f"client_name#{tag}": name for tag, name in tagged.items()} | ({"client_uri": home} if home else {})
    mine = named("mine", said, is_approved=False)
    found = [*addresses(said), *names(mine, [mine, MINE], ["Test Hospital"])]
    assert all(finding.words and finding.subject for finding in found)
    assert any(finding.subject == "client_name" for finding in found)
