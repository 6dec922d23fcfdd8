"""The table over several settings, and the places of settings on the page."""

import re
from pathlib import Path

from optlab.analysis import build
from optlab.analysis.show.report import without_gaps
from optlab.analysis.show.tables.overview import overview
from tests.analysis.made import make_run, make_sweep

SIZES = (16, 64, 256)


def make_settings(folder: Path) -> None:
    for size in SIZES:
        for seed in range(3):
            make_run(folder, "adam", seed=seed, val=0.9 + seed / 1000, config={"batch_size": size})
            make_run(folder, "sgd", 0.1, seed, val=0.8 + size / 1000 - seed / 1000, config={"batch_size": size})
    make_run(folder, "rprop", val=0.5, config={"batch_size": 64})


def test_each_setting_has_a_row_with_value_letter_and_rank(tmp_path: Path) -> None:
    make_settings(tmp_path)
    summary = build([tmp_path], figures=False)
    assert [contest.label.rpartition(" ")[2] for contest in summary.contests] == ["16", "64", "256"]
    assert summary.places[0] == "setting-cnn-on-digits-batch-size-16"
    table = overview(summary.verdicts, summary.places)
    texts = [{name: cell.text for name, cell in row.cells.items()} for row in table.rows]
    assert [row["adam"] for row in texts] == ["90.10 a #1", "90.10 a #1", "90.10 b #2"]
    assert texts[2]["sgd"] == "105.50 a #1"
    assert [row["rprop"] for row in texts] == ["–", "50.00 ab #3", "–"]
    assert "Mean rank: adam 1.33, sgd 1.67." in table.note
    assert [row.cells["setting"].place for row in table.rows] == summary.places
    assert "## Overview" in (tmp_path / "tables.md").read_text()


def test_rounding_errors_make_no_rank(tmp_path: Path) -> None:
    for size in SIZES:
        for name, seeds in (("adam", 3), ("sgd", 2)):  # of which the means of 0.1 are one bit apart
            for seed in range(seeds):
                make_run(tmp_path, name, seed=seed, status="diverged", config={"batch_size": size})
    summary = build([tmp_path], figures=False)
    means = {s.final.mean for s in summary.verdicts[0].standings}
    assert len(means) == 2
    (first, *_) = overview(summary.verdicts, summary.places).rows
    assert [first.cells[name].text for name in ("adam", "sgd")] == ["10.00 a #1", "10.00 a #1"]


def test_settings_judged_by_different_metrics_say_which(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.91], "sgd": [0.8, 0.82]})
    make_sweep(tmp_path, {"adam": [0.9, 0.91], "sgd": [0.8, 0.82]}, dataset="line", config={"loss": {"name": "mse"}})
    summary = build([tmp_path], figures=False)
    assert len(summary.places) == 2
    assert summary.places == list(dict.fromkeys(summary.places))


def test_one_setting_has_no_overview(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.91], "sgd": [0.8, 0.82]})
    summary = build([tmp_path], figures=False)
    assert not overview(summary.verdicts, summary.places).rows
    assert 'id="overview"' not in summary.report.read_text()


def test_no_figure_stands_beside_a_gap() -> None:
    def arranged(*widths: str) -> list[str]:
        specs = [{"id": f"{width}{n}", "wide": width == "w"} for n, width in enumerate(widths)]
        return [figure["id"] + ("!" if figure["wide"] else "") for figure in without_gaps(specs)]

    assert arranged("w", "h", "h", "w") == ["w0!", "h1", "h2", "w3!"]
    assert arranged("h", "w", "h") == ["h0", "h2", "w1!"]
    assert arranged("h", "h", "h") == ["h0", "h1", "h2!"]
    assert arranged("h", "w") == ["h0!", "w1!"]
    assert arranged() == []


def test_what_is_over_all_settings_is_headed_and_stands_behind_them(tmp_path: Path) -> None:
    make_settings(tmp_path)
    page = build([tmp_path], figures=False).report.read_text()
    headings = re.findall(r'<h[23][^>]*(?:class="of"|class="part")[^>]*>(.*?)</h[23]>', page)
    labels = [f"cnn on digits, batch_size {size}" for size in SIZES]
    assert headings == ["Figures", *labels, "Over all settings", "Tables", *labels]
    assert page.index("Over all settings") < page.index('data-section="across"') < page.index('id="tables"')


def test_a_single_optimizer_has_no_rank(tmp_path: Path) -> None:
    for size in SIZES:
        make_run(tmp_path, "adam", val=0.9, config={"batch_size": size})
    summary = build([tmp_path], figures=False)
    table = overview(summary.verdicts, summary.places)
    assert [row.cells["adam"].text for row in table.rows] == ["90.00"] * 3
    assert "rank" not in table.note
