from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from authz.clients.client import Client
from authz.clients.legacy import FHIR_USER, MEANINGS, Legacy, in_todays_words
from authz.scopes import ScopeSet

CLIENT = Client(
    client_id="old",
    client_name="Old",
    token_endpoint_auth_method="client_secret_basic",
    application_type="web",
    grant_types=frozenset({"authorization_code"}),
    redirect_uris=("https://old.example/cb",),
    launch_uris=(),
    allowed_origins=frozenset(),
    scope=ScopeSet.parse("openid fhirUser profile"),
    jwks=None,
    jwks_uri=None,
    about={},
    fhir_servers=(),
    skip_consent_in_ehr_launch=False,
    any_loopback_port=False,
    enabled=True,
)
NAMES = ["openid", "fhirUser", "fhiruser", "FHIRUSER", "profile", "offline_access", "patient/*.read", "nonsense"]
ASKED = st.lists(st.sampled_from(NAMES), max_size=8).map(" ".join).map(ScopeSet.parse)
SWITCHES = st.sets(st.sampled_from(list(Legacy))).map(frozenset)


def allowed(switches: frozenset[Legacy]) -> Client:
    return replace(CLIENT, legacy=frozenset(switch.value for switch in switches))


@given(ASKED)
def test_without_a_switch_a_request_is_read_as_it_is(asked: ScopeSet) -> None:
    """VER-06: off by default."""
    assert in_todays_words(CLIENT, asked) == (asked, frozenset())


@given(SWITCHES, ASKED)
def test_a_switch_changes_the_names_of_fhir_user_and_nothing_else(switches: frozenset[Legacy], asked: ScopeSet) -> None:
    """SCP-32, REQ-54: the rest of the request stays, in its order; what was read once is read the same again."""
    client = allowed(switches)
    read, used = in_todays_words(client, asked)
    assert used == {switch for switch in switches & FHIR_USER.keys() if FHIR_USER[switch] in asked}
    kept = [str(scope) for scope in asked if str(scope) not in {"fhiruser", "fhirUser"}]
    assert [str(scope) for scope in read if str(scope) not in {"fhiruser", "fhirUser"}] == kept
    assert ("fhirUser" in read) == ("fhirUser" in asked or bool(used))
    assert str(in_todays_words(client, read)[0]) == str(read)


def test_every_switch_says_what_it_forgives() -> None:
    assert MEANINGS.keys() == set(Legacy)
    for one, other in combinations(Legacy, 2):
        assert one.value.casefold() != other.value.casefold()
