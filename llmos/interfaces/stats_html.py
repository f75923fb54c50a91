"""What was spent and saved, as one HTML page: charts as SVG, the numbers as tables, no script, no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from llmos.core.stats import Stats, Sums
from llmos.interfaces.call_view import money
from llmos.interfaces.stats_view import MODES

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #ffffff; --line: #8a8a94;
  --a: #0b6e4f; --b: #b25e00; --c: #2a5db0; --d: #7a3e9d; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --paper: #16161a; --line: #7d7d88;
  --a: #4cc38a; --b: #f1a10d; --c: #7cb0ff; --d: #c69cf4; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.axis { stroke: var(--line); }
.a { fill: var(--a); } .b { fill: var(--b); } .c { fill: var(--c); } .d { fill: var(--d); }
figcaption span { padding-right: 1rem; } .key { display: inline-block; width: .8em; height: .8em; margin-right: .3em; }
.key.a { background: var(--a); } .key.b { background: var(--b); } .key.c { background: var(--c); }
.key.d { background: var(--d); }
"""
_WIDTH, _HEIGHT, _LEFT, _FOOT = 720, 220, 60, 24


def html_page(stats: Stats, version: str) -> str:
    """One page with three charts and their numbers as tables: no script, no network, no goal and no path in it."""
    labels = [start for start, _ in stats.periods]
    sums = [one for _, one in stats.periods]
    shown = [(mode, words) for mode, words in MODES if stats.total.modes.get(mode)]
    every = stats.by.value
    charts = [
        _chart(
            f"US dollars a {every}",
            labels,
            [("spent", [s.cost_usd for s in sums]), ("saved", [s.saved_usd for s in sums])],
            money,
        ),
        _chart(
            f"Turns a {every}, by mode",
            labels,
            [(words, [float(s.modes.get(mode, 0)) for s in sums]) for mode, words in shown],
            lambda value: f"{value:.0f}",
        ),
        _chart(
            f"Replayed with no model call, percent of the turns a {every}",
            labels,
            [("replayed", [s.hit_rate * 100 for s in sums])],
            lambda value: f"{value:.0f} %",
        ),
    ]
    facts = "".join(f"<tr><th scope=row>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in _facts(stats.total))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>llmos: spent and saved</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>llmos: spent and saved</h1><table><caption>In all</caption><tbody>{facts}</tbody></table>"
        f"{''.join(charts)}</main><footer><p>Written by llmos {escape(version)}. Times are UTC.</p></footer>"
        "</body></html>\n"
    )


def _facts(total: Sums) -> list[tuple[str, str]]:
    return [
        ("Turns", str(total.turns)),
        ("Replayed with no model call", f"{total.replayed} ({total.hit_rate:.1%})"),
        ("Spent", money(total.cost_usd)),
        ("Saved", money(total.saved_usd)),
        ("Model calls", str(total.model_calls)),
        ("Tokens in", f"{total.tokens_in:,}"),
        ("Tokens out", f"{total.tokens_out:,}"),
    ]


def _chart(
    title: str, labels: Sequence[str], series: Sequence[tuple[str, list[float]]], shown: Callable[[float], str]
) -> str:
    """A figure of side-by-side bars, its legend, and a table of the same numbers."""
    colours = "abcd"
    top = max((value for _, values in series for value in values), default=0.0) or 1.0
    inner, floor = _WIDTH - _LEFT, _HEIGHT - _FOOT
    slot = inner / max(1, len(labels))
    bar = slot * 0.8 / max(1, len(series))
    shapes = [
        f'<line class=axis x1="{_LEFT}" y1="{floor}" x2="{_WIDTH}" y2="{floor}"/>',
        f'<text x="{_LEFT - 6}" y="12" text-anchor="end">{escape(shown(top))}</text>',
        f'<text x="{_LEFT - 6}" y="{floor}" text-anchor="end">0</text>',
    ]
    for row, (name, values) in enumerate(series):
        for at, value in enumerate(values):
            height = (floor - 8) * value / top
            x, y = _LEFT + at * slot + slot * 0.1 + row * bar, floor - height
            tip = escape(f"{labels[at]}: {shown(value)} {name}")
            shapes.append(
                f'<rect class="{colours[row]}" x="{x:.1f}" y="{y:.1f}" width="{bar:.1f}" height="{height:.1f}">'
                f"<title>{tip}</title></rect>"
            )
    step = max(1, len(labels) // 8)
    for at in range(0, len(labels), step):
        shapes.append(f'<text x="{_LEFT + at * slot:.1f}" y="{_HEIGHT - 6}">{escape(labels[at])}</text>')
    keys = "".join(
        f'<span><span class="key {colours[row]}"></span>{escape(name)}</span>' for row, (name, _) in enumerate(series)
    )
    heads = "".join(f"<th scope=col>{escape(name)}</th>" for name, _ in series)
    rows = "".join(
        f"<tr><th scope=row>{escape(label)}</th>{''.join(f'<td>{escape(shown(v[at]))}</td>' for _, v in series)}</tr>"
        for at, label in enumerate(labels)
        if any(values[at] for _, values in series)
    )
    return (
        f'<h2>{escape(title)}</h2><figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}; the table below holds the same numbers">{"".join(shapes)}</svg>'
        f"<figcaption>{keys}</figcaption></figure><details><summary>The numbers</summary><table><caption>"
        f"{escape(title)}</caption><thead><tr><th scope=col>from</th>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        "</details>"
    )
