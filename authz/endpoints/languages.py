"""In which language a page is: what the app asked for by ``ui_locales``, else what the browser says, else English."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flask import has_request_context, request
from flask_babel import Babel
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from authz import wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

    from authz.settings import Settings

IN_ENGLISH = frozenset({"admin", "admin_registrations", "developers", "self_test", "support"})  # pages for staff


def init_app(app: Flask, settings: Settings) -> None:
    folders = map(str, wording.folders(settings.translations_dir))
    selector = partial(selected, wording.offered(settings.translations_dir))
    Babel(
        app,
        default_locale=wording.ENGLISH,
        default_translation_directories=";".join(folders),
        locale_selector=selector,
    )
    app.jinja_env.install_gettext_callables(wording.translated, wording.translated_plural, newstyle=True)  # type: ignore[attr-defined]  # of jinja2.ext.i18n
    app.jinja_env.globals.update(
        all_of=wording.all_of,
        day=wording.day,
        direction=wording.direction,
        language=wording.language,
        moment=wording.moment,
    )

    @app.before_request
    def begin() -> None:
        wording.prefer(None)


def selected(offered: dict[str, str]) -> str | None:
    """The catalogue for this request; None: English."""
    if not has_request_context() or IN_ENGLISH.intersection(request.blueprints):
        return None
    tag = wording.choose((*wording.wishes(), *browsers_wishes()), offered)
    return offered[tag] if tag else None


def browsers_wishes() -> Iterable[str]:
    """The first of ``Accept-Language``, the best before the others (RFC 9110 §12.5.4)."""
    said = request.headers.get("Accept-Language", "").split(",", wording.MOST_WISHES)[: wording.MOST_WISHES]
    return parse_accept_header(",".join(said), LanguageAccept).values()
