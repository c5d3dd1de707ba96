"""What the consent page says, phrase by phrase; kinds of data have their words in ``kinds`` and ``categories``."""

from __future__ import annotations

import re

VERBS = (("rs", "see"), ("c", "add"), ("u", "change"), ("d", "delete"))
WHOSE = {"patient": "", "user": " of every patient you may see", "system": " of all patients"}
WHO_YOU_ARE = "Know who you are"
OPEN = {  # what a launch scope tells the app
    None: "Know which record you have open",
    "patient": "Know whose record this is",
    "encounter": "Know which visit you have open",
}
OPEN_OTHER = "Know which {kind} you have open"
ENDS = "Access ends {end}."
ENDS_WITHOUT = "Without the last one access ends {end}."
AFTER = "after {hours}"
WITH_SESSION = "with your session"
OFFLINE = "Keep this access when you are not using the app"
OFFLINE_SHORT = (
    "It ends after {total} days, or earlier: when the app is not used for {idle} days, or when you withdraw it."
)
OFFLINE_LONG = "The app can fetch data at any time, also at night and when you are away, without asking you again."
WHICH = "Which {title}"
WHICH_OF_ALL = "Which kinds of health data"
REST = "other {title}, also kinds added later"
REST_OF_ALL = "all other kinds of data, also kinds added later"
REST_SHORT = "Counts only while everything else in this list is ticked"
OWN = "use what {organization} calls {scope}"
OWN_LONG = "A permission that this organisation made itself. Ask it what it means."
UNKNOWN_SHORT = "Records of this kind"
UNKNOWN_LONG = "A kind of record for which there is no description here. Ask this organisation what it holds."
LIMITED = "{title}, only {limits}"
LIMITED_SHORT = "A part of them"
LIMITED_LONG = "Only those {title} for which all of this is true."

WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def spelled_apart(resource_type: str) -> str:
    """``research subject`` for ResearchSubject, a type that has no words of its own."""
    return WORD.sub(" ", resource_type).lower()


def sentence(letters: frozenset[str], title: str, level: str) -> str:
    """``Add, change and delete allergies of every patient you may see``."""
    return f"{capital(joined(verbs(letters)))} {title}{WHOSE[level]}"


def verbs(letters: frozenset[str]) -> list[str]:
    return [verb for part, verb in VERBS if letters & set(part)]


def hours(number: int) -> str:
    return f"{number} hour" if number == 1 else f"{number} hours"


def joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def either(words: list[str]) -> str:
    return " or ".join(words)


def capital(text: str) -> str:
    """The first letter large, the others as they are: ``HIV results`` stays so."""
    return text[:1].upper() + text[1:]
