"""Trying an app: a launch as the EHR would make it, what came of it, and what people will be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import Blueprint, abort

from authz.endpoints.cookies import DEVELOPER, cookie
from authz.endpoints.current import http_request, services
from authz.endpoints.developers.desk import open_servers, sent_form, show, signed_in, usable
from authz.endpoints.gate import query
from authz.endpoints.pages import page
from authz.errors import InvalidRequest

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer

TAB = "/app"
bp = Blueprint("trials", __name__)


@bp.get("/app/launch")
def choose() -> ResponseReturnValue:
    return show_choices(signed_in().client)


@bp.post("/app/launch")
def launch() -> ResponseReturnValue:
    """Make a launch for a test account; its address is on the page, as an EHR would open it."""
    client, sent = signed_in().client, dict(sent_form())
    server, trial, launch_url = (sent.get(name, "") for name in ("fhir_server", "trial", "launch_url"))
    try:
        url = services().developers.trials.start(client, server, trial, launch_url, http_request().peer)
    except InvalidRequest as error:
        return show_choices(client, error.description)
    return show("developers_launch.html", TAB, client=client, launch_url=url)


def show_choices(client: Client, problem: str = "") -> Response:
    places = services().developers.trials.places(client)
    servers = usable(client)
    notes = [one.sandbox_notes for one in servers if one.sandbox_notes]
    return show(
        "developers_launch.html",
        TAB,
        status=400 if problem else 200,
        client=client,
        places=places,
        problem=problem,
        notes=notes,
        authorize=request_to_send(client, servers[0]) if servers and client.redirect_uris else "",
    )


def request_to_send(client: Client, server: FhirServer) -> str:
    """How the request of such an app begins; the rest is new each time."""
    parameters = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uris[0],
        "scope": str(client.scope),
        "aud": server.base_url,
    }
    more = "&state=…&code_challenge=…&code_challenge_method=S256"
    return f"{services().settings.url('/authorize')}?{urlencode(parameters)}{more}"


@bp.get("/app/attempts")
def attempts() -> ResponseReturnValue:
    """Each step of the last tries, every refusal explained."""
    client = signed_in().client
    return show("developers_attempts.html", TAB, client=client, shown=services().developers.attempts.of(client))


@bp.get("/consent-preview")
def preview() -> ResponseReturnValue:
    """The real consent page with an invented person, of an invented app for who is not signed in; it does nothing."""
    maker = services().developers.sessions.current(cookie(DEVELOPER))
    servers = usable(maker.client) if maker is not None else open_servers()
    wanted = query(http_request()).get("fhir_server")
    server = next((one for one in servers if wanted in (None, one.name)), None)
    if server is None:
        abort(404)
    previews = services().developers.previews
    shown = previews.of(maker.client, server) if maker is not None else previews.example(server)
    if shown is None:
        abort(404)
    organization = server.branding.organization or services().settings.organization
    return page("consent.html", shown=shown, is_preview=True, organization=organization, may_sign_out=False)
