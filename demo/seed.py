"""Puts the demo's FHIR server, EHR, apps and people into an authorization server."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from joserfc.jwk import ECKey, RSAKey

from authz.app import create_app
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.fhir_servers.registry import NewFhirServer
from authz.keyring.rotation import Rotation
from authz.keyring.secrets import rotate_file
from authz.storage import migrations
from authz.users.user import Representation
from demo.config import EHR_CREDENTIAL, FHIR_CREDENTIAL, GROWTH_CHART, REFERRAL_CREDENTIAL
from demo.hospital.accounts import ACCOUNTS, SANDBOX_ACCOUNTS, SANDBOX_NOTES, SANDBOX_PATIENTS, Account
from demo.hospital.build import MRN

if TYPE_CHECKING:
    from pathlib import Path

    from authz.services import Services
    from authz.settings import Settings
    from demo.config import DemoConfig

GROWTH_CHART_SCOPE = (
    "launch launch/patient launch/encounter openid fhirUser profile online_access offline_access"
    " patient/*.cruds user/*.rs messaging/ui messaging/scratchpad"
)
REFERRAL_SCOPE = "launch openid fhirUser offline_access patient/*.read user/*.read"
VETTED = HospitalDecisions(fhir_servers=("demo",), skip_consent_in_ehr_launch=True)
DRAWS_A_CURVE = replace(VETTED, required_scope="patient/Patient.rs")


def seed(settings: Settings, config: DemoConfig) -> None:
    """Bring the database up to date and add what is not there yet."""
    secrets_file = settings.keys_dir / "secrets.json"
    if not secrets_file.exists():
        rotate_file(secrets_file, datetime.now(UTC))
    app = create_app(settings)
    made: Services = app.extensions["authz"]
    with app.app_context():
        migrations.upgrade(made.db.engine)
        with made.db.write() as session:
            Rotation(made.keyring, settings.jwks_max_age_seconds).generate(session)
        if made.fhir_servers.get("demo") is None:
            add_all(made, config)
            add_bulk(made, settings.keys_dir.parent)
        made.db.engine.dispose()
    made.backend.close()


def add_all(made: Services, config: DemoConfig) -> None:
    fhir_server = NewFhirServer(
        name="demo",
        base_url=config.fhir,
        ehr_origins=(config.ehr,),
        redis_launches=bool(made.settings.redis_url),
        staff_picker=True,
        launch_picker=True,
        patient_search={"mrn_system": MRN},
        registration="open",
        sandbox_patients=SANDBOX_PATIENTS,
        sandbox_notes=SANDBOX_NOTES,
        introspection_client_id=FHIR_CREDENTIAL.name,
    )
    with made.db.write() as session:
        made.fhir_servers.add(session, fhir_server, FHIR_CREDENTIAL.secret)
    with made.db.write() as session:
        made.ehrs.add(session, ["demo"], EHR_CREDENTIAL.name, EHR_CREDENTIAL.secret)
    add_clients(made, config)
    for account in (*ACCOUNTS.values(), *SANDBOX_ACCOUNTS):
        add_person(made, account)


def add_clients(made: Services, config: DemoConfig) -> None:
    growth_chart = {
        "client_name": "Growth Chart",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [f"{config.app}/"],
        "launch_uris": [f"{config.app}/launch.html"],
        "scope": GROWTH_CHART_SCOPE,
    }
    referral = {
        "client_name": "Referral",
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [f"{config.app}/referral"],
        "launch_uris": [f"{config.app}/referral/launch"],
        "scope": REFERRAL_SCOPE,
    }
    with made.db.write() as session:
        made.clients.add(session, ClientMetadata.load(growth_chart), DRAWS_A_CURVE, client_id=GROWTH_CHART)
        made.clients.add(
            session,
            ClientMetadata.load(referral),
            VETTED,
            client_id=REFERRAL_CREDENTIAL.name,
            secret=REFERRAL_CREDENTIAL.secret,
        )


def add_bulk(made: Services, state_dir: Path) -> None:
    """A backend service with two keys; their private halves lie in ``bulk.jwks.json`` for scripts to use."""
    keys: list[ECKey | RSAKey] = [
        ECKey.generate_key("P-384", {"kid": "bulk-es384", "alg": "ES384", "use": "sig"}, private=True),
        RSAKey.generate_key(2048, {"kid": "bulk-rs384", "alg": "RS384", "use": "sig"}, private=True),
    ]
    file = state_dir / "bulk.jwks.json"
    file.write_text(json.dumps({"keys": [key.as_dict(private=True) for key in keys]}, indent=1))
    file.chmod(0o600)
    bulk = {
        "client_name": "Bulk export",
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "jwks": {"keys": [key.as_dict(private=False) for key in keys]},
        "scope": "system/*.rs",
    }
    with made.db.write() as session:
        made.clients.add(session, ClientMetadata.load(bulk), HospitalDecisions(("demo",)), client_id="bulk")


def add_person(made: Services, account: Account) -> None:
    with made.db.write() as session:
        user = made.users.add(session, account.name, account.display)
        made.users.set_sandbox(session, user.sub, is_sandbox=account.is_sandbox)
        made.users.link(session, user.sub, "demo", account.fhir_user)
        made.passwords.set_password(session, user.sub, account.name)
        for patient in account.patients if account.fhir_user.startswith("RelatedPerson/") else ():
            made.users.represent(session, user.sub, "demo", Representation(patient, "parent"))
