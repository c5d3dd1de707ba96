"""``/my-apps/sessions``: where somebody is signed in, and signing out there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.endpoints.current import http_request, services
from authz.endpoints.logout import show
from authz.endpoints.my_apps.browser_name import browser_name
from authz.endpoints.my_apps.person import person, ways
from authz.endpoints.my_apps.views import bp, to_the_list
from authz.endpoints.pages import page, see_other

if TYPE_CHECKING:
    from datetime import datetime

    from flask.typing import ResponseReturnValue

    from authz.endpoints.my_apps.person import Person


@dataclass(frozen=True, slots=True)
class Line:
    key: str  # digest of the session
    browser: str
    began_at: datetime
    used_at: datetime
    is_this: bool


def lines(who: Person) -> list[Line]:
    """Those that open nothing but what this sign-in opens: a provider that is one here has no word elsewhere."""
    found, own = services().sign_out.sessions.open(who.sub), who.session.digest
    began_with = services().sign_out.upstream.began_with([row.session_digest for row in found])
    closed = [ways().of(server.name) for server in who.elsewhere]

    def is_within(session_digest: str) -> bool:
        return session_digest == own or not any(one.has(began_with.get(session_digest)) for one in closed)

    return [
        Line(row.session_digest, browser_name(row.user_agent), row.began_at, row.used_at, row.session_digest == own)
        for row in found
        if is_within(row.session_digest)
    ]


@bp.get("/my-apps/sessions")
def sessions() -> ResponseReturnValue:
    who = person()
    if who is None:
        return to_the_list()
    return page("my_apps_sessions.html", sessions=lines(who), elsewhere=who.elsewhere, form_token=who.form_token)


@bp.post("/my-apps/sessions")
def end_sessions() -> ResponseReturnValue:
    """Sign out in one browser or in all of them; this one is the last, so that a failure leaves it to try again."""
    who = person()
    if who is None:
        return to_the_list()
    end = who.sent().get("end", "")
    peer, chosen = http_request().peer, [line for line in lines(who) if end in ("all", line.key)]
    for line in chosen:
        if not line.is_this:
            services().sign_out.end_row(line.key, who.sub, "user", peer)
    if any(line.is_this for line in chosen):
        services().sign_out.end(who.handle, who.session, "user", peer)
        return show(services().logout.signed_out(who.session, None))
    return see_other(services().settings.url("/my-apps/sessions"))
