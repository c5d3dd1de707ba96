from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authz.app import create_app
from authz.audit.event import Event, EventName
from authz.audit.model import AuditEventRow
from authz.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.services import Services
    from tests.cli.conftest import Cli

NASTY = "a\r\nfake  line\u2028\x1b[31m"


def with_server(authz: Cli, act: Callable[[Services], Any]) -> Any:
    """What the server of this installation does meanwhile."""
    app = create_app(Settings.load(authz.environ))
    with app.app_context():
        made: Services = app.extensions["authz"]
        result = act(made)
        made.db.engine.dispose()
    made.backend.close()
    return result


def happen(authz: Cli, event: Event) -> None:
    with_server(authz, lambda made: made.trail.refused(event))


def seal(authz: Cli) -> None:
    with_server(authz, lambda made: made.sealer.seal_once())


def test_an_intact_trail_is_verified(authz: Cli) -> None:
    """AU-2."""
    seal(authz)
    sealed = authz("audit", "verify")
    assert sealed == {"sealed": 2, "unsealed": 0, "anchors": 1, "intact": True}


def test_a_changed_record_fails_and_is_named(authz: Cli) -> None:
    """AU-2: a script sees it by the exit code."""
    seal(authz)

    def change(made: Services) -> None:
        with made.db.write() as session:
            row = session.query(AuditEventRow).order_by(AuditEventRow.at).first()
            assert row is not None
            row.reason = "else"

    with_server(authz, change)
    assert authz.refused("audit", "verify") == {
        "error": "invalid_value",
        "error_description": "record 1: the record or its place in the chain was changed",
    }


def test_records_are_found_by_what_is_asked(authz: Cli) -> None:
    """AU-6, AU-11: by user, patient, client, event, time, support code and launch."""
    about: dict[str, Any] = {"sub": "s", "patient": "P1", "client_id": "app", "launch_id": "l", "support_code": "ABCD"}
    happen(authz, Event(EventName.TOKEN_REFUSED, "refused", "here", **about))
    asked = [
        ("--user", "s"),
        ("--patient", "P1"),
        ("--client", "app"),
        ("--event", "token.refused"),
        ("--outcome", "refused"),
        ("--launch", "l"),
        ("--support-code", "ABCD"),
    ]
    for option in asked:
        assert [record["reason"] for record in authz("audit", "search", *option)] == ["here"], option
    for option in asked[:3]:
        assert authz("audit", "search", option[0], "other") == []


@pytest.mark.parametrize(
    ("option", "time", "found"),
    [
        ("--since", "2000-01-01", True),
        ("--since", "2999-01-01T00:00:00", False),
        ("--until", "2999-01-01T00:00:00+0100", True),
        ("--until", "2000-01-01", False),
    ],
)
def test_records_are_found_by_time(authz: Cli, option: str, time: str, *, found: bool) -> None:
    records = authz("audit", "search", "--event", "key.changed", option, time)
    assert bool(records) == found


def test_a_limit_keeps_the_oldest(authz: Cli) -> None:
    everything = authz("audit", "search")
    assert authz("audit", "search", "--limit", "1") == everything[:1]


def test_reading_is_on_the_trail_with_what_was_asked(authz: Cli) -> None:
    """security.md 4.1: audit exported and read."""
    authz("audit", "search", "--patient", "P1", "--since", "2026-01-01")
    authz.run("audit", "export", "--client", "app")
    found = authz("audit", "search", "--event", "audit.read")
    asked = [{n: v for n, v in record["detail"].items() if n != "operator"} for record in found]
    assert asked == [
        {"patient": "P1", "since": "2026-01-01 00:00:00+00:00"},
        {"client_id": "app"},
        {"event": "audit.read"},
    ]
    assert all(record["detail"]["operator"] for record in found)


def test_an_export_is_one_json_object_a_line(authz: Cli) -> None:
    """AU-7: whatever was injected, a line is a record."""
    happen(authz, Event(EventName.LOGIN_FAILED, "refused", NASTY, client_id=NASTY))
    code, out, err = authz.run("audit", "export", "--event", "login.failed")
    assert (code, err) == (0, "")
    assert out.endswith("\n")
    (line,) = out.splitlines()
    assert (json.loads(line)["reason"], json.loads(line)["client_id"]) == (NASTY, NASTY)
    assert json.loads(line) == authz("audit", "search", "--event", "login.failed")[0]


def test_an_export_for_fhir_is_an_audit_event_a_line(authz: Cli) -> None:
    """AU-9, AU-7."""
    happen(authz, Event(EventName.LOGIN_FAILED, "refused", NASTY))
    _, out, _ = authz.run("audit", "export", "--format", "fhir")
    resources = [json.loads(line) for line in out.splitlines()]
    assert {resource["resourceType"] for resource in resources} == {"AuditEvent"}
    assert [resource["subtype"][0]["code"] for resource in resources] == [
        "key.changed",
        "key.changed",
        "login.failed",
        "audit.read",
    ]


def test_control_characters_do_not_reach_a_terminal(authz: Cli) -> None:
    """AU-7: a table has a line for each record, and one on top."""
    happen(authz, Event(EventName.LOGIN_FAILED, "refused", NASTY))
    code, out, _ = authz.run("audit", "search", "--event", "login.failed")
    assert code == 0
    top, line = out.splitlines()
    assert top.split()[:4] == ["seq", "at", "event", "outcome"]
    assert "a??fake  line??[31m" in line
    assert line.isprintable()


@pytest.mark.parametrize("words", [("--event", "nonsense"), ("--since", "yesterday"), ("--limit", "0")])
def test_what_makes_no_sense_is_refused(authz: Cli, words: tuple[str, str]) -> None:
    assert authz.refused("audit", "search", *words)["error"] == "invalid_command"


def test_who_broke_the_glass_and_why_is_one_command(authz: Cli) -> None:
    """REQ-87: those records and no others, with the sentence; the same ones are exported."""
    told = {"text": "unconscious in the emergency room"}
    happen(authz, Event(EventName.GLASS_BROKEN, reason="ETREAT", sub="s", patient="B", grant_id="g", detail=told))
    happen(authz, Event(EventName.TOKEN_ISSUED, sub="s", patient="B"))
    (found,) = authz("audit", "search", "--break-glass")
    assert {name: found[name] for name in ("event", "reason", "text", "patient", "grant_id")} == {
        "event": "glass.broken",
        "reason": "ETREAT",
        "text": told["text"],
        "patient": "B",
        "grant_id": "g",
    }
    assert authz("audit", "search", "--break-glass", "--patient", "A") == []
