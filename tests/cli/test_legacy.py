from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from authz.cli.context import operator

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

CALLBACK = ("--redirect-uri", "https://app.example/cb", "--scope", "launch openid fhirUser patient/*.rs")
WHY = ("--reason", "vendor delivers 3.0 in spring")


@pytest.fixture
def old(authz: Cli) -> Cli:
    """An installation with an app that can keep a secret, and one that can't."""
    authz("client", "add", "--name", "Old", "--client-id", "old", *CALLBACK)
    authz("client", "add", "--name", "Open", "--client-id", "open", "--auth-method", "none", *CALLBACK)
    return authz


def test_a_switch_says_since_when_by_whom_and_why(old: Cli) -> None:
    """VER-04, VER-06: per client, dated, on the audit trail; nothing is on before somebody says so."""
    assert "legacy" not in old("client", "show", "old")
    allowed = old("client", "legacy", "allow", "old", "allow-missing-pkce", *WHY)
    noted = allowed["legacy"]["allow-missing-pkce"]
    assert datetime.fromisoformat(noted["since"]).tzinfo is not None
    assert noted == {"since": noted["since"], "by": operator(), "reason": WHY[1]}
    assert allowed == {"client_id": "old", "legacy": {"allow-missing-pkce": noted}}
    assert old("client", "show", "old")["legacy"] == allowed["legacy"]
    assert old("client", "legacy", "list") == [{"client_id": "old", "switch": "allow-missing-pkce", **noted}]
    assert old("client", "legacy", "list", "open") == []
    (event,) = [one for one in events(old) if one["reason"] == "legacy_allowed"]
    assert event["client_id"] == "old"
    assert event["detail"] == {"operator": operator(), "switch": "allow-missing-pkce", "why": WHY[1]}


def test_a_switch_is_taken_back(old: Cli) -> None:
    old("client", "legacy", "allow", "old", "allow-missing-state", *WHY)
    assert old("client", "legacy", "remove", "old", "allow-missing-state") == {"client_id": "old", "legacy": {}}
    assert old("client", "legacy", "list") == []
    assert "legacy_removed" in [one["reason"] for one in events(old)]
    assert old.refused("client", "legacy", "remove", "old", "allow-missing-state")["error"] == "not_found"


def test_a_public_app_never_goes_without_pkce(old: Cli) -> None:
    """requirements.md D3, REQ-D3: not when it is switched on, and not by becoming public afterwards."""
    assert old.refused("client", "legacy", "allow", "open", "allow-missing-pkce", *WHY) == {
        "error": "invalid_value",
        "error_description": ("allow-missing-pkce: never for a public app, PKCE is all that protects its codes"),
    }
    old("client", "legacy", "allow", "old", "allow-missing-pkce", *WHY)
    assert old.refused("client", "update", "old", "--auth-method", "none")["error"] == "invalid_value"
    assert old("client", "show", "old")["token_endpoint_auth_method"] == "client_secret_basic"


@pytest.mark.parametrize("order", [1, -1])
def test_of_state_and_pkce_one_must_stay(old: Cli, order: int) -> None:
    """AMB-06: without both nothing would tie an answer to who asked."""
    first, second = ["allow-missing-pkce", "allow-missing-state"][::order]
    old("client", "legacy", "allow", "old", first, *WHY)
    assert old.refused("client", "legacy", "allow", "old", second, *WHY)["error"] == "invalid_value"
    assert list(old("client", "show", "old")["legacy"]) == [first]


def test_another_name_for_fhir_user_is_for_apps_that_may_ask_for_it(old: Cli) -> None:
    """SCP-32, REQ-54: the switch gives a name, never a scope that is not registered."""
    old("client", "update", "open", "--scope", "launch openid profile")
    for switch in ("profile-as-fhirUser", "fhiruser-as-fhirUser"):
        old("client", "legacy", "allow", "old", switch, *WHY)
        assert old.refused("client", "legacy", "allow", "open", switch, *WHY) == {
            "error": "invalid_value",
            "error_description": f"{switch}: register the app for scope fhirUser first",
        }
    assert old.refused("client", "update", "old", "--scope", "launch openid")["error"] == "invalid_value"


@pytest.mark.parametrize("reason", ["", "  ", "line\nbreak", "x" * 501])
def test_nobody_switches_anything_on_without_a_reason(old: Cli, reason: str) -> None:
    words = ("client", "legacy", "allow", "old", "allow-missing-pkce")
    assert old.refused(*words, "--reason", reason)["error"] == "invalid_value"
    assert old.refused(*words)["error"] == "invalid_command"


def test_what_does_not_exist_is_refused(old: Cli) -> None:
    assert old.refused("client", "legacy", "allow", "old", "allow-anything", *WHY)["error"] == "invalid_command"
    assert old.refused("client", "legacy", "allow", "nobody", "allow-missing-pkce", *WHY)["error"] == "not_found"
    assert old.refused("client", "legacy", "list", "nobody")["error"] == "not_found"


def events(authz: Cli) -> list[dict[str, object]]:
    code, out, err = authz.run("audit", "search", "--event", "client.changed", "--json")
    assert (code, err) == (0, "")
    found: list[dict[str, object]] = json.loads(out)
    return found
