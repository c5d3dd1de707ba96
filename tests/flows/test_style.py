"""A style document that apps follow: its URL names its content, and a launch names its URL (CTX-20)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authz.errors import InvalidValue, NotFound
from authz.fhir_servers.style import MEMBERS, style_problems
from tests.world import FHIR, ISSUER

if TYPE_CHECKING:
    from authz.fhir_servers.style import Style
    from tests.world import World

STYLE = {
    "color_background": "#edeae3",
    "color_error": "#9e2d2d",
    "color_highlight": "#69b5ce",
    "color_modal_backdrop": "#00000080",
    "color_success": "#498e49",
    "color_text": "#333",
    "dim_border_radius": "6px",
    "dim_font_size": "13.5px",
    "dim_spacing_size": "0",
    "font_family_body": "Georgia, Times, 'Times New Roman', serif",
    "font_family_heading": '"Helvetica Neue", Arial',
}
SCOPE = "launch patient/*.rs online_access"


def publish(world: World, style: object = STYLE, server: str = "main") -> Style:
    with world.services.db.write() as session:
        return world.services.styles.publish(session, server, style)


def tokens(world: World, **context: Any) -> dict[str, Any]:
    handle = str(world.ehr.launch("public", "doctor", patient="A", session="s", **context)["launch"])
    return world.public.tokens(handle, SCOPE)


def test_an_app_follows_the_url_and_keeps_what_it_finds(world: World) -> None:
    """CTX-20, CAPABILITY context-style, CORS-02: JSON for pages of any origin, never changed under its URL."""
    url = publish(world).url
    assert url.startswith(f"{ISSUER}/fhir-servers/main/styles/")
    reply = world.transport.send("GET", url, {"Origin": "https://any.example"}, b"")
    assert (reply.status, reply.json()) == (200, STYLE)
    assert reply.headers["content-type"] == ["application/json"]
    assert reply.headers["cache-control"] == ["public, max-age=31536000, immutable"]
    assert reply.headers["access-control-allow-origin"] == ["*"]
    assert "set-cookie" not in reply.headers


def test_a_launch_without_a_style_gets_the_published_one(world: World) -> None:
    """CTX-20, FIELD context.smart_style_url: token response, refresh, introspection."""
    url = publish(world).url
    first = tokens(world)
    again = world.public.refresh(first["refresh_token"]).json()
    told = world.fhir_server.introspect(again["access_token"])
    assert [answer["smart_style_url"] for answer in (first, again, told)] == [url] * 3


def test_the_ehrs_own_style_wins_and_none_is_none(world: World) -> None:
    assert "smart_style_url" not in tokens(world)
    publish(world)
    assert tokens(world, smart_style_url="https://ehr.example/s-3.json")["smart_style_url"] == (
        "https://ehr.example/s-3.json"
    )


def test_changed_content_has_another_url_and_old_tokens_keep_theirs(world: World) -> None:
    """CTX-20, LAU-06, REQ-42: what an app has fetched stays true; a token names the style of its launch."""
    first, before = publish(world), tokens(world)
    second = publish(world, {"color_text": "#000000"})
    assert (first.url != second.url, publish(world).url) == (True, first.url)
    publish(world, {"color_text": "#000000"})
    assert tokens(world)["smart_style_url"] == second.url
    assert world.public.refresh(before["refresh_token"]).json()["smart_style_url"] == first.url
    assert world.transport.send("GET", first.url, {}, b"").json() == STYLE


def test_a_style_is_that_of_one_fhir_server(world: World) -> None:
    publish(world, server="other")
    assert "smart_style_url" not in tokens(world)


def test_a_withdrawn_style_is_given_to_no_launch_but_stays_where_it_was(world: World) -> None:
    url = publish(world).url
    with world.services.db.write() as session:
        assert world.services.styles.withdraw(session, "main")
        assert not world.services.styles.withdraw(session, "main")
    assert "smart_style_url" not in tokens(world)
    assert world.transport.send("GET", url, {}, b"").status == 200


@pytest.mark.parametrize(
    "path",
    [
        f"/fhir-servers/main/styles/{'0' * 32}.json",
        f"/fhir-servers/other/styles/{'0' * 32}.json",
        "/fhir-servers/main/styles/x.json",
        "/fhir-servers/nobody/styles/x.json",
        "/fhir-servers/%00/styles/x.json",
    ],
)
def test_what_was_never_published_is_not_there(world: World, path: str) -> None:
    assert world.transport.send("GET", ISSUER + path, {}, b"").status == 404


def test_at_a_fhir_server_that_is_off_nothing_is_served(world: World) -> None:
    url = publish(world).url
    with world.services.db.write() as session:
        world.services.fhir_servers.set_enabled(session, "main", enabled=False)
    assert world.transport.send("GET", url, {}, b"").status == 404


@pytest.mark.parametrize(
    ("style", "problem"),
    [
        ([], "a style document is a JSON object with at least one member"),
        ({}, "a style document is a JSON object with at least one member"),
        ({"color_text": "red; background: url(//evil.example)"}, "color_text: must be a colour such as #0a5f7c"),
        ({"color_text": "#12345"}, "color_text: must be a colour such as #0a5f7c"),
        ({"color_text": "#fff\n"}, "color_text: must be a colour such as #0a5f7c"),
        ({"color_text": 0}, "color_text: must be a colour such as #0a5f7c"),
        ({"dim_font_size": "12"}, "dim_font_size: must be a size such as 16px or 1.2rem"),
        ({"dim_font_size": "calc(1px)"}, "dim_font_size: must be a size such as 16px or 1.2rem"),
        ({"font_family_body": "x; }"}, "font_family_body: must be names of fonts, separated by commas"),
        ({"colour_text": "#fff"}, f"colour_text: not one of {', '.join(MEMBERS)}"),
    ],
)
def test_what_could_end_as_something_else_in_an_apps_style_sheet_is_refused(
    world: World, style: object, problem: str
) -> None:
    """CTX-20, security.md LA-06: all problems at once."""
    assert style_problems(style) == [problem]
    with pytest.raises(InvalidValue):
        publish(world, style)
    with pytest.raises(NotFound):
        publish(world, server="nobody")


def test_a_launch_shows_the_style_in_its_check(world: World) -> None:
    """A signed launch and a check go through the same registries as POST /launch."""
    url = publish(world).url
    record = {"client_id": "public", "fhir_server": FHIR, "user": "doctor", "launch_url": "https://app.example/launch"}
    made = world.ehr.post("/launch", record).json()
    assert world.ehr.look_up(made["launch_id"]).json()["smart_style_url"] == url
    assert json.dumps(url) in world.ehr.look_up(made["launch_id"]).text
