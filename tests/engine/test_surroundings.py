"""What a small model is shown of the working directory before it begins."""

from pathlib import Path

from llmos.core.sandbox import Boundary
from llmos.engine.surroundings import seen_in, surroundings


def shown(tmp_path: Path, goal: str, **files: str) -> str:
    for name, text in files.items():
        (tmp_path / name.replace("_", ".")).write_text(text)
    return surroundings(goal, tmp_path, Boundary())


def test_a_table_is_shown_with_its_columns_numbered(tmp_path: Path) -> None:
    assert shown(tmp_path, "sum up the price in ducks.csv", ducks_csv="name,price\nteal,3\n") == (
        "In the working directory: ducks.csv\n"
        "ducks.csv begins:\nname,price\nteal,3\nIts columns, separated by ',': 1 name, 2 price\n"
    )


def test_the_separator_is_the_one_that_every_line_has(tmp_path: Path) -> None:
    text = shown(tmp_path, "sort ducks.tsv", ducks_tsv="name, full\tprice\nteal\t3\n")
    assert text.endswith("Its columns, separated by a tab: 1 name, full, 2 price\n")


def test_what_is_no_table_is_shown_as_it_is(tmp_path: Path) -> None:
    text = shown(tmp_path, "read notes.txt", notes_txt="Well, hello,\nyou\n")
    assert text.endswith("notes.txt begins:\nWell, hello,\nyou\n")


def test_the_numbers_of_columns_are_no_value_of_a_file(tmp_path: Path) -> None:
    text = shown(tmp_path, "sum up the price in ducks.csv", ducks_csv="name,price\nteal,3\n")
    assert seen_in(text) == "In the working directory: ducks.csv\nducks.csv begins:\nname,price\nteal,3\n"
