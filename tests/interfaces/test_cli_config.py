"""`llmos config set`: one setting changes, and nothing else in the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_world import Ended, Llmos

from llmos.core.errors import ExitStatus

MINE = """\
# mine
format: llmos-config/1
model: 'auto'   # the quotes are mine too

budget:   # per goal
    per_goal_usd: 0.50  # half
permissions:
  deny: ["shell(git push*)"]
"""


def own() -> Path:
    return Path(os.environ["LLMOS_HOME"]) / "config.yaml"


def write_own(text: str) -> None:
    own().parent.mkdir(mode=0o700, exist_ok=True)
    own().write_text(text)


def test_one_setting_changes_and_every_comment_stays(llmos: Llmos) -> None:
    write_own(MINE)
    ended = llmos("config", "set", "budget.per_goal_usd", "0.25")
    assert ended == Ended(0, f"budget.per_goal_usd  0.25  {own()}:6\n", f"llmos: written to {own()}\n")
    before, after = MINE.splitlines(), own().read_text().splitlines()
    changed = [(old.split(), new.split()) for old, new in zip(before, after, strict=True) if old.split() != new.split()]
    assert changed == [(["per_goal_usd:", "0.50", "#", "half"], ["per_goal_usd:", "0.25", "#", "half"])]
    assert own().stat().st_mode & 0o777 == 0o600


def test_a_file_is_made_from_the_template(llmos: Llmos) -> None:
    assert llmos("config", "path") == Ended(
        0, f"{own()}\n", "llmos: it does not exist yet; `llmos config set` makes it\n"
    )
    assert llmos("config", "set", "permissions.deny", '["shell(git push*)", "shell(sudo*)"]').code == 0
    assert llmos("config", "set", "local.threads", "2").code == 0
    assert llmos("config", "path").err == ""
    text = own().read_text()
    assert text.count("#") > 60 and text.startswith("# Settings of this llmos workspace.")
    shown = {line.split()[0]: line.split(maxsplit=1)[1] for line in llmos("config", "show").out.splitlines()}
    assert shown["permissions.deny"].startswith('["shell(git push*)", "shell(sudo*)"]')
    assert shown["local.threads"].split()[0] == "2"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("budget.per_goal_usd", "abc"), 'budget.per_goal_usd must be a number from 0 to 10000, not "abc"'),
        (("budget.per_goal", "1"), "unknown setting budget.per_goal; did you mean budget.per_goal_usd?"),
        (("permissions.deny", "[shell(]"), "shell("),
        (("model", "!!python/object x"), "tags (!) are not accepted"),
        (("limits.max_steps", "[1"), "this is not valid YAML"),
    ],
)
def test_a_wrong_value_writes_nothing(words: tuple[str, str], sentence: str, llmos: Llmos) -> None:
    write_own(MINE)
    ended = llmos("config", "set", *words)
    assert ended.code in (ExitStatus.BAD_CONFIG, ExitStatus.STORE) and ended.out == ""
    assert len(ended.err.splitlines()) == 1 and sentence in ended.err
    assert own().read_text() == MINE


def test_a_file_that_does_not_load_is_left_to_the_person(llmos: Llmos) -> None:
    write_own("format: llmos-config/1\nmodel: [\n")
    ended = llmos("config", "set", "model", "auto")
    assert ended.code == ExitStatus.BAD_CONFIG and "line 3" in ended.err
    assert own().read_text() == "format: llmos-config/1\nmodel: [\n"


def test_a_project_cannot_loosen_what_the_person_decided(llmos: Llmos, work: Path) -> None:
    write_own(MINE)
    llmos("init")
    text = (work / "config.yaml").read_text()
    for key, value in (("budget.per_goal_usd", "2"), ("permissions.allow", "[shell]")):
        ended = llmos("config", "set", key, value)
        assert ended.code == ExitStatus.BAD_CONFIG
        assert f"{key} would be ignored in a project's file: " in ended.err and "--own decides it" in ended.err
    assert (work / "config.yaml").read_text() == text
    assert llmos("config", "set", "budget.per_goal_usd", "0.10").out == (
        f"budget.per_goal_usd  0.1  {work}/config.yaml:{len(text.splitlines()) + 2}\n"
    )
    assert llmos("config", "set", "--own", "budget.per_goal_usd", "5").err.splitlines() == [
        f"llmos: written to {own()}",
        f"llmos: what holds is decided by {work}/config.yaml:{len(text.splitlines()) + 2}",
    ]


def test_bash_completes_commands_ids_and_settings(kept: str, work: Path) -> None:
    def completed(words: str) -> list[str]:
        typed = {"_LLMOS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        env = {**os.environ, **typed}
        return subprocess.run(
            [sys.executable, "-m", "llmos"], env=env, capture_output=True, text=True, check=False
        ).stdout.split()

    assert completed("llmos traces ins") == ["inspect"]
    assert completed("llmos traces inspect cou") == [kept]
    assert completed(f"llmos traces inspect {kept[-8:-4]}") == [kept[-8:]]
    assert completed("llmos config set budget.per_g") == ["budget.per_goal_usd"]
    assert completed("llmos traces inspect zzz") == []
