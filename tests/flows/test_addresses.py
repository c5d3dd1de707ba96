"""The addresses that apps, EHRs and FHIR servers have written down: they stay where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.world import World

ADDRESSES = {
    "/authorize": {"GET", "POST"},
    "/token": {"POST"},
    "/introspect": {"POST"},
    "/revoke": {"POST"},
    "/userinfo": {"GET", "POST"},
    "/jwks": {"GET"},
    "/launch": {"POST"},
    "/launch/<launch_id>": {"GET", "DELETE"},
    "/ehr-session/end": {"POST"},
    "/ehr-session/touch": {"POST"},
    "/.well-known/openid-configuration": {"GET"},
    "/.well-known/oauth-authorization-server": {"GET"},
    "/fhir-servers/<name>/.well-known/smart-configuration": {"GET"},
    "/fhir-servers/<name>/.well-known/smart-configuration.json": {"GET"},
    "/fhir-servers/<name>/oauth-uris": {"GET"},
}


@pytest.mark.parametrize("path", ADDRESSES)
def test_an_address_that_was_given_away_is_kept(shared: World, path: str) -> None:
    """REQ-39: an app may have been given the endpoints when it was registered, and never asks again."""
    kept = {method for rule in shared.app.url_map.iter_rules() if rule.rule == path for method in rule.methods or ()}
    assert kept - {"HEAD", "OPTIONS"} >= ADDRESSES[path]
