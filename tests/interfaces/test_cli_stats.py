"""`llmos stats`: every number is a sum over the transcripts, on the screen, as JSON and as a page."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli_world import COUNT, Ended, Llmos

from llmos.core.stats import stats_of
from llmos.core.turns import TurnFacts
from llmos.interfaces.stats_view import period_lines, plot_lines, total_lines

GOLDEN = Path(__file__).parent.parent / "golden" / "cli"
MODES = ("LEARNER", "FOLLOWER", "FOLLOWER", "MIXED", "LEARNER", "FOLLOWER", "FOLLOWER", "FOLLOWER")
TURNS = [
    TurnFacts(
        at=f"2026-11-{1 + number // 2:02d}T10:00:00.000+00:00",
        goal="<script>alert(1)</script>",
        mode=mode,
        outcome="ok" if number != 3 else "failed",
        cost_usd=0.0 if mode == "FOLLOWER" else 0.012 + number / 1000,
        saved_usd=0.012 if mode == "FOLLOWER" else 0.0,
        model_calls=0 if mode == "FOLLOWER" else 3,
        elapsed_s=1.5,
        tokens_in=0 if mode == "FOLLOWER" else 4_000,
        tokens_out=0 if mode == "FOLLOWER" else 300,
    )
    for number, mode in enumerate(MODES)
]


def screen(width: int) -> str:
    found = stats_of(TURNS)
    shown = [*total_lines(found, width), *plot_lines(found, width, colour=False), "", *period_lines(found, width)]
    return "\n".join(shown) + "\n"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_numbers_and_plots_at_every_width(width: int) -> None:
    shown = screen(width)
    assert max(map(len, shown.splitlines())) <= width
    assert shown == (GOLDEN / f"stats-{width}.txt").read_text()


def test_stats_are_the_sums_over_the_transcripts(kept: str, llmos: Llmos) -> None:
    llmos("run", "-y", COUNT)
    llmos("run", "--max-cost", "0", COUNT + " twice")
    recall = Path(os.environ["LLMOS_HOME"]) / "memories/recall"
    records = [json.loads(line) for path in recall.glob("*.jsonl") for line in path.read_text().splitlines()]
    ends = [record for record in records if record["event"] == "turn_ended"]
    total = json.loads(llmos("stats", "--json").out)["total"]
    assert total["turns"] == len(ends) == 3
    assert total["cost_usd"] == math.fsum(end["cost_usd"] for end in ends) > 0
    assert total["saved_usd"] == math.fsum(end["saved_usd"] for end in ends) > 0
    assert total["model_calls"] == sum(end["model_calls"] for end in ends)
    assert (total["replayed"], total["hit_rate"]) == (1, 1 / 3)
    assert sum(total["modes"].values()) == sum(total["outcomes"].values()) == 3
    used = [record["usage"] for record in records if record["event"] == "model_call_finished"]
    assert total["tokens_out"] == sum(usage["output_tokens"] for usage in used) > 0


def test_without_a_terminal_there_is_a_table(kept: str, llmos: Llmos) -> None:
    lines = llmos("stats").out.splitlines()
    assert lines[0] == "turns     1: 1 worked out"
    assert lines[1] == "replayed  0.0% of them, with no model call"
    assert lines[-2].split() == ["DAY", "FROM", "TURNS", "REPLAYED", "SPENT", "SAVED"]
    assert lines[-1].split()[1:] == ["1", "0%", "$0.0001", "$0.00"]


def test_nothing_on_record_is_no_error(llmos: Llmos) -> None:
    ended = llmos("stats")
    assert (ended.code, ended.err) == (0, "") and ended.out.startswith("turns     0: none\n")
    assert json.loads(llmos("stats", "--json").out)["periods"] == []
    assert llmos("stats", "--since", "soon").err.startswith("llmos: 'soon' is no age; write a number")
    assert json.loads(llmos("stats", "--since", "1d", "--json").out)["total"]["turns"] == 0


class _Page(HTMLParser):
    """What a page is made of; anything that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_by_itself_and_gives_nothing_away(kept: str, llmos: Llmos, work: Path) -> None:
    assert llmos("stats", "--html", "stats.html") == Ended(0, f"{work}/stats.html\n", "")
    text = (work / "stats.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.open == [] and page.fetched == []
    assert (page.tags.count("svg"), page.tags.count("table")) == (3, 4)
    assert "script" not in page.tags and "http" not in text
    assert "prefers-color-scheme: dark" in text and 'aria-label="US dollars a day; the table below' in text
    for private in (COUNT, str(work), kept):
        assert private not in text
    assert "$0.0001" in text


def test_the_plot_library_is_loaded_for_a_terminal_only(work: Path) -> None:
    code = (
        "import sys\nfrom llmos.interfaces.cli import main\nmain(['stats'])\nmain(['traces', 'list'])\n"
        "main(['sessions', 'list'])\nmain(['config', 'show'])\n"
        "assert not {'plotext', 'ruamel', 'ruamel.yaml', 'anthropic'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
