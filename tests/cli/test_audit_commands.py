from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from authz.app import create_app
from authz.audit.event import Event, EventName, Peer
from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
    assert sealed == {"sealed": 3, "unsealed": 1, "anchors": 1, "removed": 0, "compared": 0, "intact": True}


def test_a_changed_record_fails_and_is_named(authz: Cli) -> None:
    """AU-2: a script sees it by the exit code."""
    seal(authz)

    def change(made: Services) -> None:
        with made.db.write() as session:
            session.execute(text("DROP TRIGGER audit_event_unchanged"))
            row = session.query(AuditEventRow).order_by(*ORDER).first()
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
    (exported,) = authz("audit", "search", "--event", "audit.exported")
    assert (exported["reason"], exported["detail"]["client_id"], exported["detail"]["format"]) == (
        "command",
        "app",
        "jsonl",
    )
    asked = [{n: v for n, v in record["detail"].items() if n != "operator"} for record in found]
    assert asked == [
        {"patient": "P1", "since": "2026-01-01 00:00:00+00:00"},
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
        "schema.migrated",
        "key.changed",
        "key.changed",
        "login.failed",
        "audit.exported",
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


def test_control_characters_do_not_reach_a_terminal_in_json_either(authz: Cli) -> None:
    """AU-7: the second half of Latin-1's control characters, which JSON leaves as they are, is escaped as well."""
    happen(authz, Event(EventName.LOGIN_FAILED, "refused", "caf\u00e9 \x9b31m\x9d0;title\x9c\u202e"))
    code, out, _ = authz.run("audit", "search", "--event", "login.failed", "--json")
    assert code == 0
    assert all(line.isprintable() for line in out.splitlines())
    assert "caf\u00e9" in out
    (found,) = json.loads(out)
    assert found["reason"] == "caf\u00e9 \x9b31m\x9d0;title\x9c\u202e"


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


class TestCopiesElsewhere:
    """AU-2: anchors and exported records, kept where nobody reaches who has this database."""

    @staticmethod
    def copy(authz: Cli, folder: Path, command: str) -> str:
        code, out, _ = authz.run("audit", command)
        assert code == 0
        (folder / "copy.jsonl").write_text(out)
        return str(folder / "copy.jsonl")

    @pytest.mark.parametrize(("command", "compared"), [("anchors", 1), ("export", 3)])
    def test_an_untouched_trail_agrees(self, authz: Cli, tmp_path: Path, command: str, compared: int) -> None:
        seal(authz)
        found = authz("audit", "verify", "--against", self.copy(authz, tmp_path, command))
        assert (found["compared"], found["intact"]) == (compared, True)

    def test_a_trail_that_was_cut_off_does_not(self, authz: Cli, tmp_path: Path) -> None:
        seal(authz)
        copy = self.copy(authz, tmp_path, "anchors")

        def cut_off(made: Services) -> None:
            with made.db.write() as session:
                for table in ("audit_anchor", "audit_seal"):
                    session.execute(text(f"DROP TRIGGER {table}_kept"))
                    session.execute(text(f"DELETE FROM {table}"))  # noqa: S608  the tables of this test

        with_server(authz, cut_off)
        assert authz("audit", "verify")["intact"]
        assert authz.refused("audit", "verify", "--against", copy)["error_description"] == (
            "record 3: this record is not as it was when it was copied"
        )

    @pytest.mark.parametrize("line", ["nonsense", "[]", '{"seq": 1}', "[" * 100_000])
    def test_what_is_no_copy_is_refused(self, authz: Cli, tmp_path: Path, line: str) -> None:
        file = tmp_path / "copy.jsonl"
        file.write_text(line)
        assert authz.refused("audit", "verify", "--against", str(file)) == {
            "error": "invalid_value",
            "error_description": "line 1 is no exported anchor or record",
        }


def test_a_search_goes_on_after_a_record(authz: Cli) -> None:
    """AU-6: pages."""
    first = authz("audit", "search", "--limit", "1")
    (second,) = authz("audit", "search", "--limit", "1", "--after", first[0]["id"])
    assert (first[0]["event"], second["event"]) == ("schema.migrated", "key.changed")
    newest = authz("audit", "search", "--newest-first", "--limit", "1")
    assert newest[0]["event"] == "audit.read"
    assert authz.refused("audit", "search", "--after", "nothing")["error"] == "not_found"


def test_records_are_found_by_the_id_of_their_request(authz: Cli) -> None:
    happen(authz, Event(EventName.TOKEN_REFUSED, "refused", "here", peer=Peer(request_id="r-1")))
    assert [record["reason"] for record in authz("audit", "search", "--request-id", "r-1")] == ["here"]


class TestRetention:
    """AU-10."""

    @pytest.fixture
    def old(self, authz: Cli) -> Cli:
        """Two records of long ago, of two patients, sealed with those of today."""

        def write(made: Services) -> None:
            now = made.trail.now
            made.trail.now = lambda: datetime(2015, 1, 1, tzinfo=UTC)
            for patient in ("P1", "P2"):
                made.trail.refused(Event(EventName.LOGIN_FAILED, "refused", "old", patient=patient))
            made.trail.now = now

        with_server(authz, write)
        seal(authz)
        return authz

    def test_six_years_are_the_default(self, old: Cli) -> None:
        assert old("audit", "purge", "--dry-run")["removed"] == 2
        assert old("audit", "purge")["removed"] == 2
        assert old("audit", "search", "--patient", "P1") == []
        seal(old)
        verified = old("audit", "verify")
        assert (verified["removed"], verified["intact"]) == (2, True)
        (purged,) = old("audit", "search", "--event", "audit.purged")
        assert purged["detail"]["operator"]

    def test_a_time_can_be_longer_and_never_shorter_than_the_setting(self, old: Cli) -> None:
        assert old("audit", "purge", "--before", "2014-01-01")["removed"] == 0
        assert old.refused("audit", "purge", "--before", "2999-01-01") == {
            "error": "invalid_value",
            "error_description": "records are kept for 2192 days (audit_retention_days)",
        }
        old.environ["AUTHZ_AUDIT_RETENTION_DAYS"] = "36500"
        assert old("audit", "purge")["removed"] == 0

    def test_a_hold_keeps_and_is_on_the_trail(self, old: Cli) -> None:
        placed = old("audit", "hold", "--patient", "P1", "--reason", "case 7", "--since", "2014-01-01")
        assert old("audit", "holds") == [placed]
        assert {name: placed[name] for name in ("reason", "patient", "user", "client", "since", "until")} == {
            "reason": "case 7",
            "patient": "P1",
            "user": None,
            "client": None,
            "since": "2014-01-01T00:00:00+00:00",
            "until": None,
        }
        purged = old("audit", "purge")
        assert (purged["removed"], purged["held"]) == (1, 1)
        old("audit", "lift", placed["id"])
        assert old("audit", "holds") == []
        assert old("audit", "purge")["removed"] == 1
        told = [
            (record["reason"], record["detail"]["hold"]) for record in old("audit", "search", "--event", "audit.hold")
        ]
        assert told == [("placed", placed["id"]), ("lifted", placed["id"])]

    def test_a_hold_on_nothing_is_refused(self, authz: Cli) -> None:
        assert authz.refused("audit", "hold", "--reason", "x")["error"] == "invalid_value"


class TestDisclosures:
    """AU-11: as a table, as JSON, and as a file to hand over."""

    @pytest.fixture
    def disclosed(self, authz: Cli) -> Cli:
        happen(authz, Event(EventName.TOKEN_ISSUED, sub="s", client_id="=app", patient="P1", scope="a\r\nb"))
        return authz

    def test_as_json_and_as_a_table(self, disclosed: Cli) -> None:
        (entry,) = disclosed("audit", "disclosures", "--patient", "P1")
        assert (entry["client_id"], entry["sub"], entry["why"]) == ("=app", "s", "the person had agreed before")
        _, out, _ = disclosed.run("audit", "disclosures", "--patient", "P1")
        assert len(out.splitlines()) == 2
        (asked,) = disclosed("audit", "search", "--event", "audit.read")[:1]
        assert (asked["reason"], asked["detail"]["patient"]) == ("disclosures", "P1")

    def test_as_comma_separated_values(self, disclosed: Cli) -> None:
        """RFC 4180; nothing that a spreadsheet would reckon with, and a line for each entry (AU-7)."""
        _, out, _ = disclosed.run("audit", "disclosures", "--patient", "P1", "--csv")
        top, row = csv.DictReader(io.StringIO(out)).fieldnames, list(csv.DictReader(io.StringIO(out)))
        assert top is not None
        assert list(top)[:4] == ["at", "fhir_server", "patient", "client_id"]
        assert [(one["client_id"], one["scope"], one["patient"]) for one in row] == [("'=app", "a??b", "P1")]
        assert len(out.splitlines()) == 2
