from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_a_style_is_published_shown_and_withdrawn(hospital: Cli) -> None:
    """CTX-20: the URL to give to apps is shown; each change is on the trail."""
    style = {"color_text": "#333333", "dim_font_size": "13px"}
    published = hospital("style", "publish", "main", "-", stdin=json.dumps(style))
    assert published == {
        "version": published["version"],
        "smart_style_url": f"{hospital.environ['AUTHZ_ISSUER']}/fhir-servers/main/styles/{published['version']}.json",
        "style": style,
    }
    assert hospital("style", "show", "main") == published
    assert hospital("style", "withdraw", "main") == {"fhir_server": "main", "withdrawn": True}
    assert hospital.refused("style", "show", "main")["error"] == "not_found"
    assert hospital.refused("style", "withdraw", "main")["error"] == "not_found"
    reasons = [one["reason"] for one in hospital("audit", "search", "--event", "fhir_server.changed")]
    assert sorted(reasons) == ["added", "style_published", "style_withdrawn"]


def test_a_style_that_can_not_be_is_refused_in_words(hospital: Cli) -> None:
    for text, problem in (
        ('{"color_text":"red","x":1}', "color_text: must be a colour such as #0a5f7c; x: not one of color_background"),
        ("{", "the style can not be read: not JSON: line 1, column 2"),
    ):
        refused = hospital.refused("style", "publish", "main", "-", stdin=text)
        assert refused["error"] == "invalid_value"
        assert refused["error_description"].startswith(problem)
    assert hospital.refused("style", "publish", "nobody", "-", stdin='{"color_text":"#fff"}')["error"] == "not_found"
