from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.current import http_request, services
from authz.endpoints.gate import query
from authz.endpoints.my_apps.person import Person, person, sign_in
from authz.endpoints.my_apps.showing import Shown, described, rows, shown
from authz.endpoints.pages import page, see_other
from authz.errors import NotFound
from authz.scopes import ScopeSet
from authz.wording import mark

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from authz.my_apps.access import Place

AT_ONCE = 10  # apps on a page
LAST_PAGE = 10_000
MOST_DIGITS = 5  # of LAST_PAGE

bp = Blueprint("my_apps", __name__)


@bp.get("/my-apps")
def all_of_mine() -> ResponseReturnValue:
    """The apps of whoever is signed in, where that sign-in counts; anybody else signs in first."""
    asked, who = query(http_request()), person()
    if who is None or ("fhir_server" in asked and not who.may_see(asked["fhir_server"])):
        return sign_in(asked)
    mine, number = services().my_apps.all(who.sub), page_number(asked)
    used = {one.place.fhir_server for one in mine}
    found = [one for one in mine if is_shown(who, one.place)]
    first = number * AT_ONCE
    return page(
        "my_apps.html",
        apps=shown(found[first : first + AT_ONCE], who.user),
        who=who.user.display_name,
        number=number,
        total=len(found),
        has_more=len(found) > first + AT_ONCE,
        elsewhere=[one for one in who.elsewhere if one.name in used],
    )


@bp.get("/my-apps/<key>")
def one_of_mine(key: str) -> ResponseReturnValue:
    """Everything about one of them, and what happened; also when it has no access any more."""
    asked, who = query(http_request()), person()
    if who is None:
        return to_the_list()
    place, number = own_place(who, key), page_number(asked)
    log, has_more = services().my_apps.log(who.sub, place, number)
    return page(
        "my_apps_app.html",
        key=key,
        app=app_at(who, place),
        about=described([place], who.user)[place],
        log=log,
        number=number,
        has_more=has_more,
        decisions=services().my_apps.decisions(who.sub, place),
    )


@bp.get("/my-apps/<key>/stop")
def ask_before_stopping(key: str) -> ResponseReturnValue:
    """What taking it back does, and what it does not undo."""
    who = person()
    if who is None:
        return to_the_list()
    place = own_place(who, key)
    return page("my_apps_stop.html", key=key, about=described([place], who.user)[place], form_token=who.form_token)


@bp.post("/my-apps/<key>/stop")
def stop(key: str) -> ResponseReturnValue:
    """Take everything back at once, then show that there is no access any more."""
    who = person()
    if who is None:
        return to_the_list()
    who.sent()
    place = own_place(who, key)
    services().my_apps.stop(who.sub, place, http_request().peer)
    return see_other(services().settings.url(f"/my-apps/{key}"))


@bp.get("/my-apps/receipt/<key>")
def receipt(key: str) -> ResponseReturnValue:
    """One decision, to be printed."""
    who = person()
    if who is None:
        return to_the_list()
    decision, place = services().my_apps.decision(who.sub, key), own_place(who, key)
    granted, requested = ScopeSet.parse(decision.granted_scope), ScopeSet.parse(decision.requested_scope)
    given = rows([granted], place)
    titles = {row.title for row in given}
    return page(
        "my_apps_receipt.html",
        decision=decision,
        about=described([place], who.user)[place],
        who=who.user.display_name,
        given=given,
        left_out=[row for row in rows([requested], place) if row.title not in titles],
        away_until=services().my_apps.away_until(decision),
        now=services().now(),
    )


def own_place(who: Person, key: str) -> Place:
    """Raises NotFound also for what they see only once they have signed in there."""
    place = services().my_apps.place(who.sub, key)
    if not is_shown(who, place):
        raise NotFound(mark("there is no such app among yours"))
    return place


def is_shown(who: Person, place: Place) -> bool:
    """Not what was at a FHIR server that is gone: with it went the rules by which people sign in there."""
    return services().fhir_servers.get(place.fhir_server) is not None and who.may_see(place.fhir_server)


def app_at(who: Person, place: Place) -> Shown | None:
    """What the app may do there now; None: nothing."""
    found = [one for one in services().my_apps.all(who.sub) if one.place == place]
    return next(iter(shown(found, who.user)), None)


def page_number(asked: dict[str, str]) -> int:
    """From 0 on; in an address from 1 on."""
    text = asked.get("page", "1")
    is_number = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    return min(max(int(text) - 1, 0), LAST_PAGE) if is_number else 0


def to_the_list() -> ResponseReturnValue:
    return see_other(services().settings.url("/my-apps"))
