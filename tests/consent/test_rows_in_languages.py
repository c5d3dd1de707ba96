"""What the consent page asks, as it reads in French and in Spanish: whole sentences of these languages."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from authz.consent.catalogue import Catalogue, Kind
from authz.consent.rows import Choice, Row, kind_of
from authz.consent.words import sentence
from authz.endpoints import languages
from authz.scopes import ResourceScope, parse_scope
from tests.consent.test_describe import CATALOGUE, CATEGORY, SETTINGS, page

if TYPE_CHECKING:
    from collections.abc import Iterator

NBSP = "\N{NO-BREAK SPACE}"
SENTENCES = {
    "fr-CA": {
        "patient/AllergyIntolerance.rs": "Voir les allergies",
        "patient/AllergyIntolerance.cud": "Ajouter, modifier et supprimer les allergies",
        "patient/CareTeam.u": "Modifier l’équipe de soins",
        "user/Observation.rs": "Voir les mesures et résultats, pour chaque patient que vous pouvez voir",
        "system/MedicationRequest.d": "Supprimer les ordonnances, pour tous les patients",
        f"patient/Observation.rs?category={CATEGORY}|vital-signs": "Voir les signes vitaux",
        "patient/Observation.rs?category=laboratory,vital-signs&status=final": (
            "Voir les mesures et résultats, seulement les résultats de laboratoire ou les signes vitaux et status final"
        ),
        "patient/*.rs": "Voir toutes les sortes de données de santé, y compris celles qui seront ajoutées plus tard",
    },
    "es": {
        "patient/AllergyIntolerance.rs": "Ver alergias",
        "patient/AllergyIntolerance.cud": "Agregar, cambiar y borrar alergias",
        "patient/CareTeam.u": "Cambiar el equipo de atención",
        "patient/Observation.rs?category=laboratory,vital-signs": (
            "Ver mediciones y resultados, solo resultados de laboratorio o signos vitales"
        ),
    },
}
CASES = [(tag, scope, words) for tag, sentences in SENTENCES.items() for scope, words in sentences.items()]


@contextmanager
def read_in(tag: str) -> Iterator[None]:
    """As in a request of a browser that is set to this language."""
    app = Flask(__name__)
    languages.init_app(app, SETTINGS)
    with app.test_request_context(headers={"Accept-Language": tag}):
        yield


def in_words(scope: str, catalogue: Catalogue = CATALOGUE) -> str:
    data = parse_scope(scope)
    assert isinstance(data, ResourceScope)
    return sentence(data.interactions, kind_of(data, catalogue).title, data.level)


def titles(entries: tuple[Row | Choice, ...]) -> list[str]:
    return [entry.title for entry in entries]


@pytest.mark.parametrize(("tag", "scope", "words"), CASES)
def test_a_scope_reads_as_a_sentence_of_the_language(tag: str, scope: str, words: str) -> None:
    """Issue 6.8, LC-15."""
    with read_in(tag):
        assert in_words(scope) == words


def test_kinds_are_in_the_order_of_the_readers_alphabet() -> None:
    """Without articles, capitals and accents; in whichever order they stand, the boxes are the same."""
    with read_in("fr-CA"):
        (_, french), (_, english) = page("patient/*.rs").optional, in_english("patient/*.rs")
    assert isinstance(french, Choice)
    assert isinstance(english, Choice)
    names = titles(french.entries)
    assert french.title == "Choisir parmi les sortes de données de santé"
    assert names[:4] == ["Les allergies", "Les antécédents familiaux", "Les appareils et implants", "L’assurance"]
    assert (
        names.index("Les échantillons de laboratoire") < names.index("L’équipe de soins") < names.index("Les vaccins")
    )
    assert boxes(french) == boxes(english)


def in_english(scope: str) -> tuple[Row | Choice, ...]:
    with read_in("en"):
        return page(scope).optional


def boxes(choice: Choice) -> set[str]:
    return {box for one in choice.entries for box in (boxes(one) if isinstance(one, Choice) else {one.box})}


def test_the_finer_kinds_and_the_rest_of_them_are_told() -> None:
    with read_in("fr-CA"):
        _, finer = page("patient/Condition.rs").optional
    assert isinstance(finer, Choice)
    assert (finer.title, titles(finer.entries)) == (
        "Choisir parmi les problèmes de santé et diagnostics",
        [
            "La liste des problèmes de santé",
            "Les diagnostics des consultations",
            "Les préoccupations de santé",
            "Le reste parmi les problèmes de santé et diagnostics, y compris ce qui s’ajoutera plus tard",
        ],
    )


@pytest.mark.parametrize(
    ("scope", "ends"),
    [
        ("patient/Patient.rs", "L’accès prend fin après 1 heure."),
        ("patient/Patient.rs online_access", "L’accès prend fin avec votre session."),
        ("patient/Patient.rs offline_access", "Sans la dernière case, l’accès prend fin après 1 heure."),
    ],
)
def test_the_end_of_access_is_told(scope: str, ends: str) -> None:
    """SCP-33, REQ-88."""
    with read_in("fr-CA"):
        assert page(scope).ends == ends


def test_what_lasts_is_told_with_its_duration() -> None:
    """SCP-33; French writes a space that does not break before a colon."""
    with read_in("fr-CA"):
        (row,) = page("offline_access").optional
    assert isinstance(row, Row)
    assert row.title == "Garder cet accès quand vous n’utilisez pas l’application"
    assert row.short == (
        f"Il prend fin après 365 jours, ou plus tôt{NBSP}: si l’application n’est pas utilisée pendant 90 jours,"
        " ou si vous le retirez."
    )


def test_what_belongs_to_opening_the_app_is_told() -> None:
    """SCP-20, SCP-21, SCP-30."""
    with read_in("fr-CA"):
        told = page("launch/patient launch/encounter openid launch/imagingstudy").learns
    assert told == (
        "Savoir à qui appartient ce dossier",
        "Savoir quelle consultation vous avez ouverte",
        "Savoir qui vous êtes",
        f"Savoir ce que vous avez ouvert{NBSP}: les images comme les radiographies",
    )


def test_words_of_the_installations_own_stay_as_it_wrote_them() -> None:
    """Docs "consent_kinds": what it leaves as it is, is translated all the same."""
    own = Kind("hiv", "HIV results", "Tests for HIV", "What follows.", type="Observation", search="category=x|HIV")
    lab = replace(next(kind for kind in CATALOGUE.kinds if kind.id == "lab-results"), title="blood tests")
    catalogue = Catalogue([own, lab])
    with read_in("fr-CA"):
        assert in_words("patient/Observation.rs?category=x|HIV", catalogue) == "Voir HIV results"
        assert lab.in_words().title == "blood tests"
        assert lab.in_words().short == "Analyses de sang, d’urine et autres"
        assert Kind("empty", "", "", "").in_words() == Kind("empty", "", "", "")
