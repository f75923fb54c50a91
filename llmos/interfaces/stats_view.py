"""What was spent and saved, as lines, as data, and as plots in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from llmos.core.stats import Stats, Sums
from llmos.interfaces.call_view import money
from llmos.interfaces.layout import pairs, table, wrapped

MODES = (("FOLLOWER", "replayed"), ("MIXED", "adapted"), ("LEARNER", "worked out"), ("ORCHESTRATOR", "split"))
_MARKS = "#+.o"
_PLOT_ROWS = 11
_LEAST_COLUMNS = 36
_MOST_COLUMNS = 100


def stats_record(stats: Stats) -> dict[str, Any]:
    """The JSON-ready record: totals, and one entry a period."""
    return {
        "total": _sums_record(stats.total),
        "by": stats.by.value,
        "periods": [{"from": start, **_sums_record(sums)} for start, sums in stats.periods],
    }


def _sums_record(sums: Sums) -> dict[str, Any]:
    return {**asdict(sums), "hit_rate": sums.hit_rate}


def total_lines(stats: Stats, width: int) -> list[str]:
    """The totals in words."""
    total = stats.total
    modes = [f"{total.modes[mode]} {words}" for mode, words in MODES if total.modes.get(mode)]
    modes += [f"{total.modes['']} undecided"] if total.modes.get("") else []
    outcomes = [f"{count} {outcome.replace('_', ' ') or 'without an end'}" for outcome, count in total.outcomes.items()]
    return pairs(
        [
            ("turns", f"{total.turns}: {', '.join(modes) or 'none'}"),
            ("replayed", f"{total.hit_rate:.1%} of them, with no model call"),
            ("outcomes", ", ".join(outcomes) or "none"),
            ("spent", f"{money(total.cost_usd)} in {total.model_calls} model calls"),
            ("saved", f"{money(total.saved_usd)}: what the runs that were replayed had cost"),
            ("tokens", f"{total.tokens_in:,} in, {total.tokens_out:,} out"),
            ("time", f"{total.elapsed_s:,.0f} s"),
        ],
        width,
    )


def period_lines(stats: Stats, width: int) -> list[str]:
    """One line a period that has turns."""
    rows = [
        (start, str(sums.turns), f"{sums.hit_rate:.0%}", money(sums.cost_usd), money(sums.saved_usd))
        for start, sums in stats.periods
        if sums.turns
    ]
    titles = (f"{stats.by.value.upper()} FROM", "TURNS", "REPLAYED", "SPENT", "SAVED")
    made = table(titles, rows, width, right=(1, 2, 3))
    if made is not None:
        return made
    return [
        line
        for start, turns, rate, spent, saved in rows
        for line in wrapped(f"{start}  {turns} turns, {rate} replayed, spent {spent}, saved {saved}", width, hang=2)
    ]


def plot_lines(stats: Stats, width: int, *, colour: bool) -> list[str]:
    """Three plots over time; none where there is too little to plot or too little room."""
    if len(stats.periods) < 2 or width < _LEAST_COLUMNS:
        return []
    labels = [start[5:] if stats.by.value != "month" else start[:7] for start, _ in stats.periods]
    sums = [one for _, one in stats.periods]
    shown = [(mode, words) for mode, words in MODES if stats.total.modes.get(mode)]
    marks = list(_MARKS[: len(shown)])
    by_mode = [[one.modes.get(mode, 0) for one in sums] for mode, _ in shown]
    every = stats.by.value
    legend = "  ".join(f"{mark} {words}" for mark, (_, words) in zip(marks, shown, strict=True))
    money_of = [(one.cost_usd, one.saved_usd) for one in sums]
    plots: list[tuple[str, Sequence[Sequence[float]], list[str]]] = [
        (f"US dollars a {every}: # spent  + saved", [*zip(*money_of, strict=True)], ["#", "+"]),
        (f"turns a {every}: {legend}", [[float(count) for count in counts] for counts in by_mode], marks),
        (f"replayed with no model call, % of the turns a {every}", [[s.hit_rate * 100 for s in sums]], ["#"]),
    ]
    lines: list[str] = []
    for number, (title, series, bar_marks) in enumerate(plots):
        lines += ["", *wrapped(title, width), *_bars(labels, series, bar_marks, width, number == 1, colour)]
    return lines


def _bars(
    labels: Sequence[str], series: Sequence[Sequence[float]], marks: list[str], width: int, stacked: bool, colour: bool
) -> list[str]:
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.plot_size(min(width, _MOST_COLUMNS), _PLOT_ROWS)
    heights = [list(values) for values in series] if len(series) > 1 else list(series[0])
    bar_marks = marks if len(series) > 1 else marks[0]
    figure.draw(figure.bar(list(labels), heights, marker=bar_marks, stacked=stacked, width=0.6))
    text: str = figure.build().string(colorless=not colour)
    return [line.rstrip() for line in text.split("\n") if line.strip()]
