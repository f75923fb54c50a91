"""The runner of `make safety`: a row that fails, hangs or says nothing is seen as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.safety.rows import ROWS
from bench.safety.run import TOP, Done, Row, main, run, table


def python(code: str) -> str:
    return f'-c "{code}"'


def test_the_figure_is_the_last_line_and_the_exit_code_decides(capsys: pytest.CaptureFixture[str]) -> None:
    good = Row("D-0", "good", python("print('on the way'); print('7 of 7')"))
    bad = Row("D-00", "bad", python("import sys; print('6 of 7'); sys.exit(1)"), python("print('1 of 1')"))
    done = [run(good), run(bad), run(bad, fast=True)]
    assert [(one.ok, one.figure) for one in done] == [(True, "7 of 7"), (False, "6 of 7"), (True, "1 of 1")]
    assert capsys.readouterr().out.splitlines()[1:3] == ["D-0 good (0 s)", "  on the way"]


def test_a_row_that_says_nothing_raises_or_hangs_has_failed() -> None:
    silent = run(Row("D-0", "silent", python("pass")))
    raising = run(Row("D-0", "raising", python("1 / 0")))
    hanging = run(Row("D-0", "hanging", python("import time; print('…', flush=True); time.sleep(60)"), limit_s=0.5))
    assert (silent.ok, silent.figure) == (False, "it printed nothing")
    assert (raising.ok, raising.figure) == (False, "ZeroDivisionError: division by zero")
    assert (hanging.ok, hanging.figure) == (False, "not at its end after 0.5 s: …")


def test_the_table_counts_the_rows_that_hold() -> None:
    row = Row("D-0", "what it is", "")
    assert table([Done(row, True, "7 of 7", 1.2), Done(row, False, "6 of 7", 2.0)]).splitlines() == [
        "ok     D-0 what it is     1 s  7 of 7",
        "FAILED D-0 what it is     2 s  6 of 7",
        "1 of 2 rows hold in 3 s",
    ]


def test_every_row_names_a_script_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        for words in filter(None, (row.full.split(), row.fast.split())):
            assert words[0] == "-m" or (TOP / words[0]).is_file(), row
            assert words[0] != "-m" or (TOP / Path(*words[1].split("."))).with_suffix(".py").is_file(), row
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ROWS)
    with pytest.raises(SystemExit):
        main(["no-such-row"])
