"""The apps that can be opened from a chart, and what the EHR tells the authorization server when one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demo.config import GROWTH_CHART, REFERRAL_CREDENTIAL

if TYPE_CHECKING:
    from demo.config import DemoConfig
    from demo.ehr.chart import Chart
    from demo.ehr.sessions import SignedIn


@dataclass(frozen=True, slots=True)
class App:
    """An app of the gallery; one that keeps its session in a cookie cannot run in another site's frame."""

    client_id: str
    name: str
    about: str
    kind: str
    launch_path: str
    can_be_framed: bool
    staff_only: bool
    needs_referral: bool = False


APPS = {
    app.client_id: app
    for app in (
        App(
            GROWTH_CHART,
            "Growth Chart",
            "Weight, height and head circumference over time, and a form to record a new weight.",
            "Runs in the browser, keeps no secret",
            "/launch.html",
            can_be_framed=True,
            staff_only=False,
        ),
        App(
            REFERRAL_CREDENTIAL.name,
            "Referral Desk",
            "Prepares the letter for the referral that this chart is open at.",
            "Runs on a server, has a secret",
            "/referral/launch",
            can_be_framed=False,
            staff_only=True,
            needs_referral=True,
        ),
    )
}


def apps_for(who: SignedIn) -> list[App]:
    return [app for app in APPS.values() if who.account.is_staff or not app.staff_only]


def launch_request(config: DemoConfig, app: App, who: SignedIn, chart: Chart, *, framed: bool) -> dict[str, Any]:
    """The body of ``POST /launch``: who opens which app, at which patient and visit (SMART 2.2 "EHR launch").

    In the frame the chart's banner stays in sight, so the app needs none of its own (``need_patient_banner``).
    """
    request: dict[str, Any] = {
        "client_id": app.client_id,
        "fhir_server": config.fhir,
        "launch_url": f"{config.app}{app.launch_path}",
        "user": who.account.fhir_user,
        "session": who.session,
        "patient": chart.patient.id,
        "need_patient_banner": not framed,
        "web_messaging_origin": config.ehr,
    }
    if chart.encounter:
        request["encounter"] = chart.encounter
    if app.needs_referral and chart.referrals:
        request["fhirContext"] = [{"reference": f"ServiceRequest/{chart.referrals[0][0]}"}]
    return request
