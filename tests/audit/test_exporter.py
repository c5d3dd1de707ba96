"""A second system hears of every sealed record, in order, from where it stopped (security.md 4.1; ASVS 16.4)."""

from __future__ import annotations

import io
import json
import logging
import stat
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text, update

from authz.audit import exporter as module
from authz.audit.event import Event, EventName
from authz.audit.exporter import Exporter
from authz.audit.model import AuditExportRow
from authz.audit.targets import NotTold, ToAddress, ToFile, ToStdout, fhir, fhir_batch, jsonl, target
from authz.errors import Unavailable
from authz.outbound import Answer
from authz.settings import ConfigurationError
from tests.outside import FakeOutbound, Outside
from tests.world import settings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.audit.conftest import Archive

ADDRESS = "https://siem.example/collect/key-in-the-path"


@dataclass
class SecondSystem:
    """Takes what it is sent, or does not."""

    name: str = "second"
    is_away: bool = False
    taken: list[int] = field(default_factory=list)

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        if self.is_away:
            raise NotTold("away")
        self.taken += [record["seq"] for record in records]


@dataclass
class StoppedMeanwhile:
    """Does not answer; ``meanwhile`` happens before it is given up."""

    meanwhile: Callable[[], object]
    name: str = "second"

    def send(self, _records: Sequence[dict[str, Any]]) -> None:
        self.meanwhile()
        raise NotTold("it never answered")


@pytest.fixture
def second() -> SecondSystem:
    return SecondSystem()


@pytest.fixture
def exporter(archive: Archive, second: SecondSystem) -> Exporter:
    archive.happen(3)
    archive.sealer.seal_once()
    return Exporter(archive.own.trail, second)


def said(archive: Archive) -> list[tuple[str, str | None]]:
    found = archive.records(event=EventName.AUDIT_EXPORTED.value)
    return sorted((record["outcome"], record["reason"]) for record in found)


def test_it_is_told_in_the_order_of_the_chain_and_once(
    archive: Archive, exporter: Exporter, second: SecondSystem
) -> None:
    assert [exporter.tell(), exporter.tell()] == [3, 0]
    archive.happen(2)
    archive.sealer.seal_once()
    exporter.tell()
    assert second.taken == [1, 2, 3, 4, 5, 6]  # what it was begun with is a record too
    assert said(archive) == [("success", "started")]


def test_it_goes_on_where_it_stopped(archive: Archive, exporter: Exporter, second: SecondSystem) -> None:
    """Another process, after a restart."""
    exporter.tell()
    archive.happen(1)
    archive.sealer.seal_once()
    Exporter(archive.own.trail, second).tell()
    assert second.taken == [1, 2, 3, 4, 5]


def test_what_is_not_sealed_is_not_told_yet(archive: Archive, exporter: Exporter, second: SecondSystem) -> None:
    exporter.tell()
    archive.happen(1)
    assert exporter.tell() == 0
    assert second.taken == [1, 2, 3]


def test_it_goes_in_batches(exporter: Exporter, second: SecondSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    assert [exporter.tell(), exporter.tell()] == [2, 1]
    assert second.taken == [1, 2, 3]


class TestOneThatIsAway:
    def test_nothing_is_lost_and_it_is_tried_again(
        self, archive: Archive, exporter: Exporter, second: SecondSystem
    ) -> None:
        second.is_away = True
        assert [exporter.tell(), exporter.tell()] == [0, 0]
        second.is_away = False
        assert exporter.tell() == 0  # ten seconds are not over
        archive.own.clock.move(seconds=10)
        assert exporter.tell() == 3
        assert second.taken == [1, 2, 3]
        assert said(archive) == [("refused", "failed"), ("success", "resumed"), ("success", "started")]

    def test_the_log_says_so_from_five_minutes_on_every_minute(
        self, archive: Archive, exporter: Exporter, second: SecondSystem, caplog: pytest.LogCaptureFixture
    ) -> None:
        second.is_away = True
        for _ in range(60 * 7 // 10 + 1):  # seven minutes
            exporter.tell()
            archive.own.clock.move(seconds=10)
        alarms = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert alarms == [
            f"the second system has not taken the audit trail for {seconds} seconds" for seconds in (300, 360, 420)
        ]
        assert said(archive) == [("refused", "failed"), ("success", "started")]


class TestSeveralProcesses:
    def test_while_one_sends_the_others_do_not(
        self, archive: Archive, exporter: Exporter, second: SecondSystem
    ) -> None:
        assert exporter.claim() is not None
        assert Exporter(archive.own.trail, second).tell() == 0

    def test_one_that_died_is_replaced(self, archive: Archive, exporter: Exporter, second: SecondSystem) -> None:
        exporter.claim()
        archive.own.clock.move(minutes=1)
        assert Exporter(archive.own.trail, second).tell() == 3

    def test_each_second_system_has_its_own_place(self, archive: Archive, exporter: Exporter) -> None:
        exporter.tell()
        other = SecondSystem("other")
        Exporter(archive.own.trail, other).tell()
        assert other.taken == [1, 2, 3]


class TestWhoWritesIntoItsRow:
    """security.md AU-3, H4: the role that serves may; what it says makes records go out twice, never not at all."""

    @pytest.fixture(autouse=True)
    def told(self, archive: Archive, exporter: Exporter, second: SecondSystem) -> None:
        exporter.tell()
        archive.happen(2)
        archive.sealer.seal_once()  # records 4 (it began) to 6
        second.taken.clear()

    def says(self, archive: Archive, **values: object) -> None:
        with archive.own.db.write() as session:
            session.execute(update(AuditExportRow).values(**values))

    def row(self, archive: Archive) -> AuditExportRow:
        with archive.own.db.read() as session:
            return session.scalars(select(AuditExportRow)).one()

    def test_a_mark_beyond_the_newest_record_keeps_nothing_back(
        self, archive: Archive, exporter: Exporter, second: SecondSystem, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.says(archive, seq=9_000_000_000_000)
        assert exporter.progress().waiting == 3
        assert exporter.tell() == 3
        assert second.taken == [4, 5, 6]
        (record,) = archive.records(event=EventName.AUDIT_EXPORTED.value, outcome="refused")
        about = {"target": "second", "mark": 9_000_000_000_000, "newest": 6}
        assert (record["reason"], record["detail"]) == ("beyond_the_trail", about)
        assert [entry.getMessage() for entry in caplog.records if entry.levelno == logging.ERROR] == [
            "somebody marked the audit trail as sent up to record 9000000000000, of 6; it is sent again from 4 on"
        ]
        archive.sealer.seal_once()
        assert exporter.tell() == 1  # that this was found
        assert self.row(archive).seq == 7

    def test_a_process_that_sent_nothing_yet_begins_with_the_first_record(
        self, archive: Archive, second: SecondSystem
    ) -> None:
        self.says(archive, seq=7)
        Exporter(archive.own.trail, second).tell()
        assert second.taken == [1, 2, 3, 4, 5, 6]

    def test_a_mark_beyond_it_is_mended_also_while_the_second_system_is_away(
        self, archive: Archive, exporter: Exporter, second: SecondSystem
    ) -> None:
        self.says(archive, seq=7)
        second.is_away = True
        assert exporter.tell() == 0
        assert self.row(archive).seq == 3

    def test_a_mark_beyond_it_is_mended_before_anything_happens(self, archive: Archive, exporter: Exporter) -> None:
        exporter.tell()
        self.says(archive, seq=7)
        exporter.tell()
        assert (self.row(archive).seq, self.row(archive).claimed_until) == (6, None)
        assert ("refused", "beyond_the_trail") in said(archive)

    def test_a_mark_that_is_set_back_repeats(self, archive: Archive, exporter: Exporter, second: SecondSystem) -> None:
        self.says(archive, seq=-5)
        exporter.tell()
        assert second.taken == [1, 2, 3, 4, 5, 6]

    def test_a_claim_by_a_clock_that_was_far_ahead_counts_for_nothing(
        self, archive: Archive, exporter: Exporter
    ) -> None:
        """R-15: its process died, and it would be good for as long as the clock was ahead."""
        self.says(archive, claimed_until=archive.own.clock() + timedelta(days=1))
        assert exporter.tell() == 3

    def test_a_claim_by_a_clock_that_is_a_little_ahead_counts(self, archive: Archive, exporter: Exporter) -> None:
        """R-15: 90 seconds."""
        self.says(archive, claimed_until=archive.own.clock() + module.LEASE + timedelta(seconds=90))
        assert exporter.tell() == 0
        archive.own.clock.move(seconds=150)
        assert exporter.tell() == 3

    def test_a_claim_that_is_made_again_and_again_is_told(
        self, archive: Archive, exporter: Exporter, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(10):
            self.says(archive, claimed_until=archive.own.clock() + timedelta(seconds=50))
            assert exporter.tell() == 0
            archive.own.clock.move(seconds=40)
        (alarm,) = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.ERROR]
        assert alarm == "the second system has not taken the audit trail for 320 seconds"

    @pytest.mark.parametrize("member", ["failing_since", "told_at"])
    def test_a_time_to_come_keeps_nobody_silent(
        self, archive: Archive, exporter: Exporter, second: SecondSystem, member: str
    ) -> None:
        self.says(archive, **{member: archive.own.clock() + timedelta(days=1)})
        second.is_away = True
        since = archive.own.clock()
        for _ in range(31):
            exporter.tell()
            archive.own.clock.move(seconds=10)
        assert exporter.behind_since() == since
        second.is_away = False
        assert exporter.tell() == 3
        assert exporter.behind_since() is None


def test_what_another_process_sent_meanwhile_is_not_sent_again(
    archive: Archive, exporter: Exporter, second: SecondSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked before the other one's batch was told, and has its claim after that."""
    looked = exporter.progress()
    assert Exporter(archive.own.trail, second).tell() == 3
    monkeypatch.setattr(exporter, "progress", lambda: looked)
    assert exporter.tell() == 0
    monkeypatch.undo()
    archive.sealer.seal_once()
    assert exporter.tell() == 1
    assert second.taken == [1, 2, 3, 4]


class TestAGoodStop:
    """A restart must not make the second system wait until the lease of the process before is over."""

    @pytest.fixture(autouse=True)
    def no_patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "STOP_SECONDS", 0.05)

    def test_a_batch_that_does_not_end_is_sent_by_the_next_process_at_once(self, archive: Archive) -> None:
        archive.happen(3)
        archive.sealer.seal_once()
        second, taken = SecondSystem(), []
        heir = Exporter(archive.own.trail, second)

        def stop() -> None:
            taken.append(heir.tell())
            stopped.let_go()
            taken.append(heir.tell())

        stopped = Exporter(archive.own.trail, StoppedMeanwhile(stop))
        stopped.tell()
        assert taken == [0, 3]

    def test_a_batch_that_ends_in_time_is_sent_once(
        self, archive: Archive, exporter: Exporter, second: SecondSystem
    ) -> None:
        exporter.tell()
        exporter.let_go()
        assert Exporter(archive.own.trail, second).tell() == 0
        assert second.taken == [1, 2, 3]

    def test_the_claim_of_another_process_is_left_to_it(
        self, archive: Archive, exporter: Exporter, second: SecondSystem
    ) -> None:
        """This one was so slow that its lease ended."""
        exporter.claim()
        archive.own.clock.move(minutes=2)
        assert Exporter(archive.own.trail, second).claim() is not None
        with exporter.sending:
            exporter.let_go()
        assert Exporter(archive.own.trail, second).tell() == 0

    def test_a_database_that_is_away_does_not_hold_up_the_stop(
        self, exporter: Exporter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exporter.claim()

        def away() -> None:
            raise Unavailable("away")

        monkeypatch.setattr(exporter.db, "write", away)
        with exporter.sending:
            exporter.let_go()


def test_a_database_that_is_away_is_tried_again(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    passes = iter([False, True])
    monkeypatch.setattr(exporter, "tell", lambda: (_ for _ in ()).throw(Unavailable("away")))

    class Stop:
        def wait(self, seconds: float) -> bool:
            assert seconds == module.PAUSE_SECONDS
            return next(passes)

    exporter.run(Stop())  # type: ignore[arg-type]  # as much of an event as it needs
    assert caplog.messages == ["the audit trail could not be read for its export; trying again"]


def records(archive: Archive) -> list[dict[str, Any]]:
    archive.own.trail.refused(Event(EventName.LOGIN_FAILED, "refused", "a\r\n\u2028b", client_id="app"))
    return archive.records()


class TestFile:
    def test_each_record_is_a_line_of_a_file_of_its_owner_alone(self, archive: Archive, tmp_path: Path) -> None:
        """AU-7, and security.md 4.2: only the audit store may hold patient ids."""
        file = tmp_path / "audit.jsonl"
        found = records(archive)
        for _ in range(2):
            ToFile(file, jsonl()).send(found)
        lines = file.read_text().splitlines()
        assert [json.loads(line) for line in lines] == [*found, *found]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_one_that_can_not_be_written_is_told_nothing(self, archive: Archive, tmp_path: Path) -> None:
        with pytest.raises(NotTold):
            ToFile(tmp_path / "nowhere" / "audit.jsonl", jsonl()).send(records(archive))


def test_standard_output_gets_a_line_for_each(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", out)
    ToStdout(fhir("https://auth.example")).send(records(archive))
    (line,) = out.buffer.getvalue().splitlines()
    assert json.loads(line)["resourceType"] == "AuditEvent"


class TestAddress:
    def test_it_gets_the_lines_with_its_token(self, archive: Archive) -> None:
        outside = Outside({ADDRESS: Answer(204, {}, b"")})
        found = records(archive)
        ToAddress(ADDRESS, jsonl(), FakeOutbound(outside), "the-token").send(found)
        (asked,) = outside.asked
        assert (asked.method, asked.url, asked.trusted) == ("POST", ADDRESS, True)
        assert asked.headers == {"Content-Type": "application/x-ndjson", "Authorization": "Bearer the-token"}
        assert [json.loads(line) for line in (asked.body or b"").splitlines()] == found

    def test_a_fhir_server_gets_a_batch_of_audit_events(self, archive: Archive) -> None:
        """IHE ITI-20: FHIR Feed."""
        outside = Outside({ADDRESS: Answer(200, {}, b"")})
        ToAddress(ADDRESS, fhir_batch("https://auth.example"), FakeOutbound(outside)).send(records(archive))
        (asked,) = outside.asked
        assert asked.headers == {"Content-Type": "application/fhir+json"}
        bundle = json.loads(asked.body or b"")
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "batch")
        (entry,) = bundle["entry"]
        assert entry["request"] == {"method": "POST", "url": "AuditEvent"}
        assert entry["resource"]["resourceType"] == "AuditEvent"

    @pytest.mark.parametrize("status", [199, 301, 400, 401, 500])
    def test_any_other_answer_is_a_no(self, archive: Archive, status: int) -> None:
        outside = Outside({ADDRESS: Answer(status, {}, b"")})
        with pytest.raises(NotTold, match=str(status)):
            ToAddress(ADDRESS, jsonl(), FakeOutbound(outside)).send(records(archive))

    def test_one_that_does_not_answer_is_told_nothing(self, archive: Archive) -> None:
        with pytest.raises(NotTold):
            ToAddress(ADDRESS, jsonl(), FakeOutbound(Outside())).send(records(archive))

    def test_the_trail_names_it_without_what_may_be_a_key(self) -> None:
        named = [ToAddress(url, jsonl(), FakeOutbound(Outside())).name for url in (ADDRESS, "https://s.example:8443/x")]
        assert named == ["https://siem.example", "https://s.example:8443"]
        assert "the-token" not in repr(ToAddress(ADDRESS, jsonl(), FakeOutbound(Outside()), "the-token"))


class TestSettings:
    @pytest.mark.parametrize(
        ("where", "form", "kind", "content_type"),
        [
            ("-", "jsonl", ToStdout, "application/x-ndjson"),
            ("/var/log/audit.jsonl", "fhir", ToFile, "application/fhir+ndjson"),
            (ADDRESS, "jsonl", ToAddress, "application/x-ndjson"),
            (ADDRESS, "fhir", ToAddress, "application/fhir+json"),
        ],
    )
    def test_they_name_the_second_system(
        self, tmp_path: Path, where: str, form: str, kind: type, content_type: str
    ) -> None:
        settings = settings_in(tmp_path, audit_export=where, audit_export_format=form)
        found = target(settings, FakeOutbound(Outside()))
        assert isinstance(found, kind)
        assert isinstance(found, ToAddress | ToFile | ToStdout)
        assert found.form.content_type == content_type

    def test_none_is_the_default(self, tmp_path: Path) -> None:
        assert target(settings_in(tmp_path), FakeOutbound(Outside())) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"audit_export": "http://siem.example/"},
            {"audit_export": "ftp://siem.example/"},
            {"audit_export": "audit.jsonl"},
            {"audit_export_format": "cef"},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, tmp_path: Path, changes: dict[str, str]) -> None:
        with pytest.raises(ConfigurationError, match="audit_export"):
            settings_in(tmp_path, **changes)

    def test_the_token_is_not_shown(self, tmp_path: Path) -> None:
        settings = settings_in(tmp_path, audit_export_token="the-token")
        assert "the-token" not in repr(replace(settings, audit_export="-"))


def test_records_that_were_removed_are_passed_over(archive: Archive, exporter: Exporter, second: SecondSystem) -> None:
    archive.tamper(text("DELETE FROM audit_seal WHERE seq = 2"))
    exporter.tell()
    assert second.taken == [1, 3]
