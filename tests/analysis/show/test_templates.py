"""How pages read their templates."""

import pytest
from jinja2 import Environment

from optlab.analysis.show.templates import templates


def test_a_template_is_compiled_once_and_its_page_has_its_own_globals(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled_again(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    place = ("optlab.teaching.page", "files")
    templates(*place).get_template("trace.html.j2")
    monkeypatch.setattr(Environment, "compile", compiled_again)
    one, other = templates(*place), templates(*place)
    one.globals["lang"] = "zh"
    assert one.get_template("trace.html.j2").globals["lang"] == "zh"
    assert "lang" not in other.get_template("trace.html.j2").globals
