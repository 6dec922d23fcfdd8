"""The file that instruments write, as its readers find it."""

from pathlib import Path

import pytest

from optlab.errors import UserError
from optlab.rules import instruments
from optlab.rules.instruments import ALL, COLUMNS, INSTRUMENTS_FILE, Row, by_epoch, layers_of, of_layer, read, text_of

ROWS = [
    Row(1, 1, ALL, {"gradient_norm": 0.1, "cosine": 1.0}),
    Row(1, 1, "layers.0", {"gradient_norm": 1e-9, "cosine": None}),
    Row(1, 20, ALL, {"gradient_norm": 2.5, "cosine": -0.25}),
    Row(1, 20, "layers.0", {"gradient_norm": float("inf"), "cosine": float("nan")}),
    Row(2, 40, ALL, {"gradient_norm": 3.0}),
]


def test_what_was_written_is_read_again_and_what_is_not_finite_is_no_value(tmp_path: Path) -> None:
    (tmp_path / INSTRUMENTS_FILE).write_text(text_of(ROWS[:2]) + text_of(ROWS[2:], header=False))
    rows = read(tmp_path)
    assert rows == read(tmp_path / INSTRUMENTS_FILE)
    assert [(row.epoch, row.step, row.layer) for row in rows] == [(row.epoch, row.step, row.layer) for row in ROWS]
    assert [row["gradient_norm"] for row in rows] == [0.1, 1e-9, 2.5, None, 3.0]
    assert [row["cosine"] for row in rows] == [1.0, None, -0.25, None, None]
    assert layers_of(rows) == ["layers.0"]
    assert [row.step for row in of_layer(rows)] == [1, 20, 40]
    assert {epoch: row.step for epoch, row in by_epoch(rows).items()} == {1: 20, 2: 40}


def test_a_run_without_instruments_has_no_rows_and_a_cut_line_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    path = tmp_path / INSTRUMENTS_FILE
    path.write_text(text_of(ROWS)[:-5])
    assert [row.step for row in read(path)] == [1, 1, 20, 20]
    path.write_text("epoch,ste")
    assert read(path) == []


def test_columns_that_another_version_wrote_or_did_not_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / INSTRUMENTS_FILE
    path.write_text("epoch,step,layer,gradient_norm,sharpness\n1,2,all,0.5,8.0\n")
    (row,) = read(path)
    assert (row["gradient_norm"], row["sharpness"], row["cosine"]) == (0.5, 8.0, None)


@pytest.mark.parametrize(
    "text",
    [
        "loss,acc\n1,2\n",
        "epoch,step,layer\n1,2\n",
        "epoch,step,layer,cosine\n1,2,all,much\n",
        "epoch,step,layer\n1,x,all\n",
    ],
)
def test_a_damaged_file_costs_one_line_that_names_it(text: str, tmp_path: Path) -> None:
    (tmp_path / INSTRUMENTS_FILE).write_text(text)
    with pytest.raises(UserError, match=rf"{INSTRUMENTS_FILE}: damaged, ") as error:
        read(tmp_path)
    assert "\n" not in str(error.value)


def test_every_column_is_a_quantity_with_a_title_and_a_formula() -> None:
    assert len(set(COLUMNS)) == len(COLUMNS) == 3 + len(instruments.QUANTITIES)
    assert all(quantity.title and quantity.formula for quantity in instruments.QUANTITIES)
    assert instruments.logged_name("update_ratio") == "instruments/update_ratio/all"
