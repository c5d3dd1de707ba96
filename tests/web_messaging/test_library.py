"""The browser library for both ends of SMART Web Messaging: its own tests, and its types."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.node

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "packages" / "smart-web-messaging"
TSC = ROOT / "tests" / "clients" / "node_modules" / ".bin" / "tsc"


def run(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=LIBRARY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_ehr_answers_as_the_ig_says_and_is_silent_to_everybody_else() -> None:
    """Origin, window, handle, session, scope and form of every answer, with made-up windows: WM-05, WM-10.

    REQ-7, REQ-8, REQ-9, REQ-10, REQ-11, REQ-17.
    """
    run("node", "--test", "test/host.test.js")


def test_app_and_ehr_both_send_and_both_answer() -> None:
    """REQ-1, REQ-29: in a frame and in a tab, with time-outs; the EHR may begin."""
    run("node", "--test", "test/both.test.js")


def test_neither_end_is_led_astray_by_what_is_no_message() -> None:
    """Thousands of made-up values, the same each time: no answer, no error; from a proven app one answer in form."""
    run("node", "--test", "test/garbage.test.js")


def test_a_batch_through_the_ehr_does_no_more_than_the_apps_scopes_and_patient_allow() -> None:
    """REQ-13: each entry is decided about by itself, and what can't be decided is refused."""
    run("node", "--test", "test/fhir.test.js")


USER = """
import { WebMessagingClient } from "smart-web-messaging/app";
import { WebMessagingHost, Scratchpad, launchActivity, type Launch } from "smart-web-messaging/ehr";
const verify = async (handle: string): Promise<Launch> => ({ active: handle === "swm_1" });
const handlers = { ...new Scratchpad().handlers(), ...launchActivity({ "order-review": () => {} }) };
new WebMessagingHost({ verify, ehrSession: null, handlers, close: ({ launch }) => console.log(launch.patient) });
const where: Promise<string> = new WebMessagingClient({ handle: "swm_1", origin: "https://ehr.example" }).create({});
// @ts-expect-error an EHR has to say which session it is
new WebMessagingHost({ verify });
console.log(where);
"""


def test_what_is_packed_is_what_somebody_elses_typescript_needs(tmp_path: Path) -> None:
    packed = subprocess.run(["npm", "pack", "--dry-run", "--json"], cwd=LIBRARY, capture_output=True, check=True)
    names = {file["path"] for file in json.loads(packed.stdout)[0]["files"]}
    parts = [f"src/{file.name}" for file in (LIBRARY / "src").iterdir()]
    assert names == {"README.md", "package.json", *parts, *(f"types/{Path(part).stem}.d.ts" for part in parts)}
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "smart-web-messaging").symlink_to(LIBRARY)
    (tmp_path / "user.mts").write_text(USER)
    run(
        TSC,
        "--ignoreConfig",
        "--strict",
        "--noEmit",
        "--module",
        "nodenext",
        "--lib",
        "es2022,dom",
        tmp_path / "user.mts",
    )


def test_the_types_are_sound_and_are_those_that_are_shipped(tmp_path: Path) -> None:
    run(TSC, "--project", ".", "--outDir", tmp_path)
    made = {file.name: file.read_text() for file in tmp_path.glob("*.d.ts")}
    assert made == {file.name: file.read_text() for file in (LIBRARY / "types").glob("*.d.ts")}
