"""The commands of ``docs/how-to/web-messaging.md``, run one after the other, and the answer that it shows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from authz.clients.metadata import ClientMetadata
from tests.actors import FORM, basic
from tests.cli.conftest import Cli
from tests.world import EVERYTHING, PUBLIC, VETTED, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transport import Reply
    from tests.world import World

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "web-messaging.md").read_text()
ISSUER = "https://auth.hospital.example"
FHIR = "https://fhir.hospital.example/r4"
OWN = {"sub", "launch_id", "grant_id", "iat", "exp"}  # of each answer


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[World]:
    """The one of the page: as it is before its first command."""
    made = build(settings_in(tmp_path, issuer=ISSUER))
    with made.app.app_context():
        with made.services.db.write() as session:
            made.services.fhir_servers.update(session, "main", {"base_url": FHIR, "ehr_origins": ()})
            app = ClientMetadata.load({**PUBLIC, "client_name": "Growth Chart", "scope": EVERYTHING})
            made.services.clients.add(session, app, VETTED, client_id="growth-chart")
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()
    shutil.rmtree(tmp_path, ignore_errors=True)


def commands(language: str, begins: str = "") -> list[str]:
    return [block for block in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if block.startswith(begins)]


def curl(world: World, command: str, **variables: str) -> Reply:
    """What curl would send, as far as the page makes use of it."""
    words = iter(shlex.split(Template(command.replace("\\\n", "")).substitute(variables)))
    assert next(words) == "curl"
    url, method = "", "GET"
    headers: dict[str, str] = {}
    fields: list[str] = []
    for word in words:
        match word:
            case "-s":
                pass
            case "-u":
                headers |= basic(*next(words).split(":"))
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                fields, method = [next(words)], "POST"
            case "--data-urlencode":
                name, _, value = next(words).partition("=")
                fields.append(f"{name}={quote_plus(value)}")
                headers["Content-Type"], method = FORM, "POST"
            case _:
                assert word.startswith(ISSUER), word
                url = word
    return world.transport.send(method, url, headers, "&".join(fields).encode())


def test_the_page_says_what_happens(hospital: World) -> None:
    """web-messaging 10.1 to 10.3: what an EHR's developer does, from the registration to the end of a handle."""
    settings = hospital.services.settings
    environ = {
        "AUTHZ_ISSUER": settings.issuer,
        "AUTHZ_DATABASE_URL": settings.database_url,
        "AUTHZ_SHORT_LIVED_PATH": str(settings.short_lived_path),
        "AUTHZ_KEYS_DIR": str(settings.keys_dir),
    }
    (register,) = commands("sh", "authz")
    for line in register.splitlines():
        Cli(environ)(*shlex.split(line)[1:])
    launch, check, look_up, revoke = commands("sh", "curl")
    said: dict[str, str] = {"AUTHZ": ISSUER, "EHR": "ehr-main:ehr-main-secret"}
    made = curl(hospital, launch, **said).json()
    app = replace(hospital.public, client_id="growth-chart", aud=FHIR)
    tokens = app.tokens(made["launch"], "launch patient/*.rs messaging/ui messaging/scratchpad")
    said |= {"HANDLE": tokens["smart_web_messaging_handle"], "LAUNCH_ID": made["launch_id"]}
    answer: dict[str, Any] = curl(hospital, check, **said).json()
    (shown,) = map(json.loads, commands("json"))
    assert list(answer) == list(shown)
    assert {name: answer[name] for name in answer if name not in OWN} == {
        name: shown[name] for name in shown if name not in OWN
    }
    assert answer["exp"] - answer["iat"] == shown["exp"] - shown["iat"]
    looked = curl(hospital, look_up, **said).json()
    assert (looked["state"], looked["smart_web_messaging_handle"]) == ("token_issued", said["HANDLE"])
    assert curl(hospital, revoke, **said).status == 200
    assert curl(hospital, check, **said).json() == {"active": False}
