"""The figures of a run as a table, and every pair that went wrong in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.replay_truth.judging import Judged, Verdict, rate, select
from bench.replay_truth.pairs import KINDS


def report(
    found: Sequence[Judged],
    unsaved: Mapping[str, str],
    others: Mapping[str, Sequence[Judged]],
    seconds: float,
    *,
    verbose: bool,
) -> str:
    jobs = len({each.job.goal for each in found})
    lines = [f"{len(found)} pairs of {jobs} saved goals in {seconds:.0f} s; 95 % Wilson intervals", ""]
    for name, results in {"llmos": found, **others}.items():
        lines += figures(name, results)
    lines += ["", *by_kind(found)]
    lines += listed("WRONG REPLAYS", [each for each in found if each.verdict is Verdict.WRONG])
    lines += listed("CRASHED", select(found, Verdict.CRASHED))
    lines += listed("STOPPED BY A CHECK", [each for each in found if each.verdict is Verdict.STOPPED])
    if unsaved:
        lines += ["", f"RUNS THAT WERE NOT KEPT FOR REPLAY ({len(unsaved)}):"]
        lines += [f"  {goal}\n      {reason}" for goal, reason in unsaved.items()]
    lines += listed("NOT REPLAYED, THOUGH IT COULD BE RIGHT", select(found, Verdict.REFUSED, may=True))
    if verbose:
        lines += listed("NOT REPLAYED, RIGHTLY", select(found, Verdict.REFUSED, may=False))
    return "\n".join(lines)


def figures(name: str, found: Sequence[Judged]) -> list[str]:
    replayed = select(found, Verdict.RIGHT, Verdict.WRONG)
    wrong = select(found, Verdict.WRONG)
    traps = [each for each in found if not each.asked.may]
    fell = select(found, Verdict.WRONG, may=False)
    may = [each for each in found if each.asked.may]
    rebinding = [each for each in replayed if each.asked.may and each.asked.kind not in ("same goal", "world")]
    unsafe = sum(each.is_unsafe for each in found)
    stopped = select(found, Verdict.STOPPED)
    return [
        f"{name:14} wrong replays {rate(len(wrong), len(replayed))}; of the traps {rate(len(fell), len(traps))}",
        f"{'':14} unsafe (wrong, and something changed): {unsafe}; stopped by a check: {len(stopped)}, "
        f"{sum(each.touched for each in stopped)} of them after a change",
        f"{'':14} right replays of those that may be {rate(len(select(found, Verdict.RIGHT, may=True)), len(may))}; "
        f"values rebound rightly {rate(len(select(rebinding, Verdict.RIGHT)), len(rebinding))}",
    ]


def by_kind(found: Sequence[Judged]) -> list[str]:
    lines = [f"{'':14} {'may':>4} {'right':>6} {'wrong':>6} {'stop':>5}   {'traps':>5} {'wrong':>6} {'stop':>5}"]
    for kind in KINDS:
        of = [each for each in found if each.asked.kind == kind]
        cells = [
            len([each for each in of if each.asked.may]),
            len(select(of, Verdict.RIGHT, may=True)),
            len(select(of, Verdict.WRONG, may=True)),
            len(select(of, Verdict.STOPPED, may=True)),
            len([each for each in of if not each.asked.may]),
            len(select(of, Verdict.WRONG, may=False)),
            len(select(of, Verdict.STOPPED, may=False)),
        ]
        lines.append("{:14} {:>4} {:>6} {:>6} {:>5}   {:>5} {:>6} {:>5}".format(kind, *cells))
    return lines


def listed(title: str, found: Sequence[Judged]) -> list[str]:
    lines = ["", f"{title} ({len(found)}):"]
    for each in found:
        changed = ", something was changed" if each.touched else ""
        lines.append(f"  [{each.asked.kind}{changed}] {each.job.goal!r}")
        lines += [f"      -> {each.asked.goal!r}", f"      {each.why}"]
    return lines if found else []
