"""Names that users gave stand in every output as they are: no markup, no formula, no path, and not wider than it."""

import logging
import re
from pathlib import Path

import pytest

from optlab.analysis import build
from optlab.analysis.show.figures import file_names
from optlab.analysis.show.figures.names import LONGEST, brief, for_plotly, in_lines, without_glyphs
from optlab.analysis.show.tables.write import as_text, escape
from optlab.rules.words import short_slug
from tests.analysis.made import make_run

ODD = "<b>x</b> & $a_b$ 優化器"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("names")
    for seed in range(3):
        for name, value in ((ODD, 0.9), ("_hidden", 0.8)):
            for lr in (0.01, 0.1):  # then each optimizer has a picture with its name in bold
                make_run(found, name, lr, seed=seed, val=value - lr, test=value - lr, epochs=2)
    return found


def test_every_output_has_the_name_as_it_is(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        build([folder])
    svg = (folder / "figures" / "final_per_seed.svg").read_text()
    assert "&lt;b&gt;x&lt;/b&gt; &amp;" in svg
    assert "$a_b$ 優化器" in svg
    legend = (folder / "figures" / "learning_curves.svg").read_text()
    assert "_hidden" in legend
    assert "mathdefault" not in legend
    page = (folder / "report.html").read_text()
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt; &amp; $a_b$ 優化器" in page
    assert r"&lt;b>x&lt;/b> & \$a_b\$ 優化器" in (folder / "tables.md").read_text()
    assert r"$<$b$>$x$<$/b$>$ \& \$a\_b\$ 優化器" in (folder / "tables.tex").read_text()
    assert ODD in (folder / "runs.csv").read_text()
    said = [record.message for record in caplog.records]  # by Matplotlib too, which looks for a bold face of each font
    assert len(said) <= 1  # once, and not at all where a font has them
    assert all("優" in text and "Noto Sans CJK" in text for text in said)


def test_a_long_name_keeps_both_its_ends() -> None:
    name = "shampoo_with_a_very_long_description_of_everything_that_was_changed_beta2_0.95"
    short = brief(name)
    assert len(short) <= LONGEST
    assert re.fullmatch(r"shampoo_.*….*beta2_0\.95", short)
    assert brief("adam") == "adam"
    assert [len(line) <= LONGEST // 2 for line in in_lines(name).split("\n")] == [True, True]
    assert in_lines("adam") == "adam"
    assert brief(f"{name} − adam") == f"{short} − adam"


def test_plotly_and_markdown_get_text() -> None:
    assert for_plotly("<b>a</b> &lt; b\nc") == "&lt;b&gt;a&lt;/b&gt; &amp;lt; b<br>c"
    assert as_text("weight_decay 0.1 < 0.2 [0.1, 0.2]") == "weight_decay 0.1 < 0.2 [0.1, 0.2]"  # nothing to escape
    assert as_text("_a_ *b* [c](d) a|b\nc") == r"\_a\_ \*b\* [c\](d) a\|b c"
    assert escape("a|b") == r"a\textbar{}b"


def test_the_characters_that_no_font_has_are_named_once() -> None:
    assert without_glyphs("a優優\n化b", {97, 98, 99}) == "優化"


def test_settings_have_files_of_their_own_and_names_that_a_file_system_takes() -> None:
    assert file_names(["a b", "a-b", "a/b"]) == ["a-b", "a-b-2", "a-b-3"]
    [name] = file_names(["優" * 200])
    assert 0 < len(name.encode()) <= 100
    assert file_names(["$$"]) == ["setting"]


def test_a_figure_of_a_key_that_stands_for_many_has_a_name_that_a_file_system_takes() -> None:
    long = ", ".join(f"model.key_{number} null" for number in range(40))
    first, second = short_slug(f"{long} a"), short_slug(f"{long} b")
    assert first != second
    assert max(len(first.encode()), len(second.encode()), len(short_slug("優" * 200).encode())) <= 60
    assert short_slug("optimizer.momentum") == "optimizer-momentum"
