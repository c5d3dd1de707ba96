"""The EHR's pages. What an app may do is not decided here: the EHR only says who, which app and which patient."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from flask import Flask, abort, current_app, g, jsonify, redirect, render_template, request, url_for

from demo.authorization_server import Refused, Unreachable
from demo.design import design
from demo.ehr.chart import Chart, PatientCard, chart_of, patient_cards, searched
from demo.ehr.launches import APPS, apps_for, launch_request
from demo.ehr.messages import add_messages
from demo.ehr.sessions import COOKIE, LIFETIME, Sessions, SignedIn, check_password
from demo.hospital import ACCOUNTS, Journal, hospital_records
from demo.web_messaging import library

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flask import Response
    from flask.typing import ResponseReturnValue

    from demo.authorization_server import AuthorizationServer
    from demo.config import Credential, DemoConfig

TABS = {"summary": "Summary", "results": "Results", "visits": "Visits", "apps": "Apps"}
FILES = ("static", "design.static", "web_messaging.static")
OPEN_PAGES = ("sign_in", "do_sign_in", *FILES)
LAUNCH_FAILED = {
    True: "The authorization server does not answer. Is it running? Try again in a moment.",
    False: "The authorization server refused the launch.",
}


def create_ehr(
    config: DemoConfig, server: AuthorizationServer, caller: Credential, now: Callable[[], datetime]
) -> Flask:
    """Build the EHR; its records are the morning's, plus what apps wrote since (the FHIR server's journal)."""
    app = Flask("demo.ehr")
    app.register_blueprint(design)
    app.register_blueprint(library)
    app.context_processor(lambda: {"config": config})
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    sessions = Sessions(now)
    ehr = Ehr(config, server, caller, now)
    _add_gate(app, config, sessions)
    _add_signing_in(app, ehr, sessions)
    _add_charts(app, ehr)
    _add_launching(app, ehr)
    add_messages(app, ehr)
    return app


class Ehr:
    """What the pages need: the records as they are now, and the authorization server."""

    def __init__(
        self, config: DemoConfig, server: AuthorizationServer, caller: Credential, now: Callable[[], datetime]
    ) -> None:
        self.config, self.server, self.caller, self.now = config, server, caller, now
        self._journal = Journal(config.state_dir / "journal.jsonl")
        self._morning = hospital_records(now().date())
        self._with_apps: set[str] = set()  # sessions that have opened an app

    def cards(self, who: SignedIn) -> list[PatientCard]:
        """The patients this person may see: staff all, others only those they are or represent."""
        cards = patient_cards(self._journal.over(self._morning), self.now().date())
        return [card for card in cards if who.account.is_staff or card.id in who.account.patients]

    def chart(self, who: SignedIn, patient: str) -> Chart:
        """The chart, or 404 for one that does not exist or is not this person's to see."""
        if not who.account.is_staff and patient not in who.account.patients:
            abort(404)
        chart = chart_of(self._journal.over(self._morning), patient, self.now().date())
        if chart is None:
            abort(404)
        return chart

    def launch(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises Unreachable or Refused."""
        made = self.server.launch(body, self.caller)
        self._with_apps.add(body["session"])
        return made

    def still_here(self, who: SignedIn) -> None:
        """Tell the authorization server that this person is still working; not worth an error page if it fails."""
        if who.session in self._with_apps:
            try:
                self.server.touch_session(who.session, self.caller)
            except (Unreachable, Refused) as error:
                current_app.logger.warning("the session could not be touched: %s", error)

    def end(self, who: SignedIn) -> None:
        """End the session at the authorization server too: apps with online access stop with it."""
        self._with_apps.discard(who.session)
        try:
            self.server.end_session(who.session, self.caller)
        except (Unreachable, Refused) as error:
            current_app.logger.warning("the end of a session was not accepted: %s", error)


def _who() -> SignedIn:
    who: SignedIn = g.who
    return who


def _add_gate(app: Flask, config: DemoConfig, sessions: Sessions) -> None:
    """One address for the EHR, a signed-in person for every page, and no form that another site has sent."""
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"frame-src {config.app} {config.issuer}; form-action 'self' {config.app} {config.issuer}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )

    @app.before_request
    def check() -> ResponseReturnValue | None:
        if request.host_url.rstrip("/") != config.ehr:
            return redirect(config.ehr)
        if request.method == "POST" and request.headers.get("Origin", config.ehr) != config.ehr:
            abort(403, "This form was not sent from the EHR's own page.")
        g.who = sessions.find(request.cookies.get(COOKIE, ""))
        if request.endpoint in OPEN_PAGES:
            return None
        if g.who is None:
            return redirect(url_for("sign_in"))
        if request.method == "POST" and not hmac.compare_digest(
            request.form.get("csrf", "").encode(), _who().csrf.encode()
        ):
            abort(403, "This form is too old. Go back, load the page again and repeat.")
        return None

    @app.after_request
    def protect(answer: Response) -> Response:
        answer.headers["Content-Security-Policy"] = policy
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if request.endpoint not in FILES:
            answer.headers["Cache-Control"] = "no-store"
        return answer


def _add_signing_in(app: Flask, ehr: Ehr, sessions: Sessions) -> None:
    @app.get("/sign-in")
    def sign_in() -> ResponseReturnValue:
        return redirect("/") if g.who else render_template("sign_in.html", accounts=ACCOUNTS.values())

    @app.post("/sign-in")
    def do_sign_in() -> ResponseReturnValue:
        name = request.form.get("name", "").strip()
        account = check_password(name, request.form.get("password", ""))
        if account is None:
            page = render_template("sign_in.html", accounts=ACCOUNTS.values(), name=name, failed=True)
            return page, 401
        answer = redirect("/", 303)
        answer.set_cookie(
            COOKIE, sessions.begin(account), max_age=int(LIFETIME.total_seconds()), httponly=True, samesite="Lax"
        )
        return answer

    @app.post("/sign-out")
    def sign_out() -> ResponseReturnValue:
        sessions.end(request.cookies.get(COOKIE, ""))
        ehr.end(_who())
        answer = redirect(url_for("sign_in"), 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="Lax")
        return answer


def _add_charts(app: Flask, ehr: Ehr) -> None:
    @app.get("/")
    def home() -> ResponseReturnValue:
        cards = ehr.cards(_who())
        if len(cards) == 1 and not _who().account.is_staff:
            return redirect(url_for("patient", key=cards[0].id))
        query = request.args.get("q", "")
        return render_template("patients.html", cards=searched(cards, query), query=query, who=_who())

    @app.get("/patients/<key>")
    def patient(key: str) -> ResponseReturnValue:
        tab = request.args.get("tab", "summary")
        if tab not in TABS:
            abort(404)
        chart = ehr.chart(_who(), key)
        ehr.still_here(_who())
        return render_template("chart.html", chart=chart, tab=tab, tabs=TABS, who=_who(), apps=apps_for(_who()))

    @app.errorhandler(403)
    @app.errorhandler(404)
    def not_shown(error: Any) -> ResponseReturnValue:
        return render_template("error.html", error=error, who=g.get("who")), error.code


def _add_launching(app: Flask, ehr: Ehr) -> None:
    @app.post("/patients/<key>/launch")
    def launch(key: str) -> ResponseReturnValue:
        """Tell the authorization server what is opened; the page gets the address, and the story of it."""
        opened = APPS.get(request.form.get("app", ""))
        if opened is None or opened not in apps_for(_who()):
            abort(404)
        framed = request.form.get("where") == "frame" and opened.can_be_framed
        body = launch_request(ehr.config, opened, _who(), ehr.chart(_who(), key), framed=framed)
        try:
            made = ehr.launch(body)
        except (Unreachable, Refused) as error:
            away = isinstance(error, Unreachable)
            current_app.logger.warning("launch of %s failed: %s", opened.client_id, error)
            detail = "" if isinstance(error, Unreachable) else error.description
            return jsonify(problem=LAUNCH_FAILED[away], detail=detail), 503 if away else 502
        told = {name: value for name, value in body.items() if name != "session"}
        return jsonify(
            launch_url=made["launch_url"],
            launch_id=made["launch_id"],
            handle=shortened(str(made["launch"])),
            expires_in=made["expires_in"],
            told=told | {"session": shortened(_who().session)},
        )


def shortened(secret: str) -> str:
    """Enough to recognise it, too little to use it."""
    return f"{secret[:4]}…{secret[-3:]}"
