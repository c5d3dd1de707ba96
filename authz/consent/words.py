"""What the consent page says, phrase by phrase; kinds of data have their words in ``kinds`` and ``categories``."""

from __future__ import annotations

import re

from authz.wording import capital, gettext, mark, ngettext

VERBS = (("s", frozenset("rs")), ("a", frozenset("c")), ("c", frozenset("u")), ("d", frozenset("d")))
SENTENCES = {  # see, add, change, delete
    # for translators: kind is such as "allergies", as in the middle of a sentence, with an article where one is needed
    "s": mark("See %(kind)s"),
    "a": mark("Add %(kind)s"),
    "c": mark("Change %(kind)s"),
    "d": mark("Delete %(kind)s"),
    "sa": mark("See and add %(kind)s"),
    "sc": mark("See and change %(kind)s"),
    "sd": mark("See and delete %(kind)s"),
    "ac": mark("Add and change %(kind)s"),
    "ad": mark("Add and delete %(kind)s"),
    "cd": mark("Change and delete %(kind)s"),
    "sac": mark("See, add and change %(kind)s"),
    "sad": mark("See, add and delete %(kind)s"),
    "scd": mark("See, change and delete %(kind)s"),
    "acd": mark("Add, change and delete %(kind)s"),
    "sacd": mark("See, add, change and delete %(kind)s"),
}
WHOSE = {
    # for translators: stands for kind in "See %(kind)s" and the like
    "user": mark("%(kind)s of every patient you may see"),
    # for translators: stands for kind in "See %(kind)s" and the like
    "system": mark("%(kind)s of all patients"),
}
WHO_YOU_ARE = mark("Know who you are")
OPEN = {  # what a launch scope tells the app
    None: mark("Know which record you have open"),
    "patient": mark("Know whose record this is"),
    "encounter": mark("Know which visit you have open"),
}
OFFLINE = mark("Keep this access when you are not using the app")
OFFLINE_LONG = mark(
    "The app can fetch data at any time, also at night and when you are away, without asking you again."
)
WHICH_OF_ALL = mark("Which kinds of health data")
REST_OF_ALL = mark("All other kinds of data, also kinds added later")
REST_SHORT = mark("Counts only while everything else in this list is ticked")
OWN_LONG = mark("A permission that this organisation made itself. Ask it what it means.")
UNKNOWN_SHORT = mark("Records of this kind")
UNKNOWN_LONG = mark("A kind of record for which there is no description here. Ask this organisation what it holds.")
LIMITED_SHORT = mark("A part of them")

WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def spelled_apart(resource_type: str) -> str:
    """``research subject`` for ResearchSubject, a type that has no words of its own."""
    return WORD.sub(" ", resource_type).lower()


def sentence(letters: frozenset[str], title: str, level: str) -> str:
    """``Add, change and delete allergies of every patient you may see``; the title as it reads in this language."""
    whose = gettext(WHOSE[level], kind=title) if level in WHOSE else title
    asked = "".join(verb for verb, interactions in VERBS if letters & interactions)
    return capital(gettext(SENTENCES[asked], kind=whose))


def which(title: str) -> str:
    return gettext("Which %(kind)s", kind=title)


def rest(title: str) -> str:
    return capital(gettext("Other %(kind)s, also kinds added later", kind=title))


def limited(title: str, limits: str) -> str:
    # for translators: limits is such as "lab results or vital signs, and status final"
    return gettext("%(kind)s, only %(limits)s", kind=title, limits=limits)


def limited_long(title: str) -> str:
    return gettext("Only those %(kind)s for which all of this is true.", kind=title)


def own(organization: str, scope: str) -> str:
    # for translators: as in the middle of a sentence; scope is a technical name
    return gettext("use what %(organization)s calls %(scope)s", organization=organization, scope=scope)


def opens(resource_type: str | None, title: str) -> str:
    """What a launch scope tells the app; the title is that of its type."""
    known = OPEN.get(resource_type)
    return gettext(known) if known else gettext("Know which %(kind)s you have open", kind=title)


def offline_short(total: int, idle: int) -> str:
    """In days."""
    text = mark("It ends after %(total)s, or earlier: when the app is not used for %(idle)s, or when you withdraw it.")
    return gettext(text, total=days(total), idle=days(idle))


def days(number: int) -> str:
    return ngettext("%(num)d day", "%(num)d days", number)


def ends(hours: int | None, *, without_last: bool) -> str:
    """When access ends: after hours, else with the session; ``without_last``: if the last box is not ticked."""
    if hours is None and without_last:
        return gettext("Without the last one access ends with your session.")
    if hours is None:
        return gettext("Access ends with your session.")
    if without_last:
        return ngettext(
            "Without the last one access ends after %(num)d hour.",
            "Without the last one access ends after %(num)d hours.",
            hours,
        )
    return ngettext("Access ends after %(num)d hour.", "Access ends after %(num)d hours.", hours)
