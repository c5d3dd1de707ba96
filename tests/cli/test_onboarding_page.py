"""docs/how-to/onboarding-vendors.md is run from top to bottom, with a vendor who acts between the commands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cli.test_client_scopes import cli
from tests.vendor import Vendor

if TYPE_CHECKING:
    from tests.world import World

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "onboarding-vendors.md"
APP, TOKEN = "c_0123456789abcdef", "0123456789abcdef"


def commands() -> list[list[str]]:
    """Each ``authz`` command of the page, without its comment."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("authz ")]


def test_every_command_of_the_page_does_what_it_says(world: World) -> None:
    """requirements.md row 116: lanes, sandbox, review, invitations, as an administrator is told to work with them."""
    run, ids, told = cli(world), dict[str, str](), list[Any]()
    run("fhir-server", "add", "test", "--base-url", "https://test.example/r4")
    for words in [*commands(), ["registration", "token", "list"]]:
        if words[:2] == ["registration", "list"]:
            run("fhir-server", "update", "main", "--registration", "open")
            ids[APP] = Vendor(world.transport, "/fhir-servers/main/register").register(
                scope="launch patient/*.rs user/*.rs"
            )["client_id"]
            world.services.registration.review.request_production(ids[APP])
        if words[1] in {"approve-change", "refuse-change"}:
            metadata = run("registration", "show", ids[APP])["metadata"]
            world.services.registration.proposals.propose(ids[APP], {**metadata, "client_name": f"By {words[1]}"})
        known = {**ids, **({"17": str(run("registration", "show", ids[APP])["seen"])} if "17" in words else {})}
        stdin = "a good password\n" if "--password-stdin" in words else ""
        told.append(run(*[known.get(word, word) for word in words], stdin=stdin))
        if words[1:3] == ["token", "issue"]:
            ids[TOKEN] = told[-1]["id"]
    assert told[-1][0]["revoked_at"] is not None
    shown = run("registration", "show", ids[APP])
    assert (shown["state"], shown["client_name"]) == ("held", "By approve-change")
    assert [line["what"] for line in shown["history"] if line["actor"] != "vendor"] == [
        "approved",
        "approved",
        "declined",
        "held",
        "change_applied",
        "change_refused",
    ]
    assert run("user", "show", "sandbox-patient")["sandbox"] is True
    assert run("fhir-server", "show", "main")["sandbox_patients"] == ["test-1", "test-2"]


def test_the_notice_on_the_page_has_the_members_that_are_sent() -> None:
    """tests/registration/test_webhook.py compares them with what is sent."""
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    notice = json.loads(block)
    assert list(notice) == ["iss", "aud", "iat", "exp", "jti", "registration"]
    members = ["client_id", "client_name", "lane", "state", "what", "actor", "at", "page"]
    assert list(notice["registration"]) == members
