from __future__ import annotations

from typing import TYPE_CHECKING

from tests.flows.test_branding import square

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


def test_a_logo_is_uploaded_and_removed(hospital: Cli, tmp_path: Path) -> None:
    """Issue 4: shown only where an administrator has looked at it."""
    app = hospital("client", "add", "--name", "Growth", "--redirect-uri", "https://growth.example/cb")["client_id"]
    picture = tmp_path / "logo.png"
    picture.write_bytes(square())
    shown = hospital("client", "logo", app, str(picture))
    assert set(shown) == {"client_id", "logo"}
    assert hospital("client", "show", app)["logo"] == shown["logo"]
    assert hospital("client", "logo", app, "--remove") == {"client_id": app, "logo": ""}
    assert "logo" not in hospital("client", "show", app)
    reasons = [event["reason"] for event in hospital("audit", "search", "--event", "client.changed")]
    assert reasons == ["added", "logo_set", "logo_removed"]


def test_what_is_no_picture_is_refused_and_the_old_one_stays(hospital: Cli, tmp_path: Path) -> None:
    app = hospital("client", "add", "--name", "Growth", "--redirect-uri", "https://growth.example/cb")["client_id"]
    good, bad = tmp_path / "logo.png", tmp_path / "logo.svg"
    good.write_bytes(square())
    bad.write_text("<svg/>")
    version = hospital("client", "logo", app, str(good))["logo"]
    assert hospital.refused("client", "logo", app, str(bad)) == {
        "error": "invalid_value",
        "error_description": "the logo: a PNG, JPEG or WebP of at most 64 KB, 32 to 512 pixels each way",
    }
    assert hospital("client", "show", app)["logo"] == version
    assert hospital.refused("client", "logo", app)["error"] == "invalid_value"
    assert hospital.refused("client", "logo", app, str(good), "--remove")["error"] == "invalid_value"
    assert hospital.refused("client", "logo", "nobody", "--remove")["error"] == "not_found"


def test_an_app_is_checked_on_demand(hospital: Cli) -> None:
    """Issue 4: the report of the automatic checks; an app that an administrator added can be checked as well."""
    words = ("--redirect-uri", "https://growth.example/cb", "--scope", "patient/Spaceship.rs")
    app = hospital("client", "add", "--name", "Growth", *words)["client_id"]
    report = hospital("registration", "check", app)
    assert (set(report), report["client_id"]) == ({"client_id", "made_at", "findings"}, app)
    assert report["findings"][0] == {
        "level": "error",
        "subject": "scope",
        "words": "nothing that the app asks for can be granted here",
    }
    assert hospital.refused("registration", "check", "nobody")["error"] == "not_found"
