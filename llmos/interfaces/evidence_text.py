"""What the probability of a right replay rests on, in words for a person."""

from __future__ import annotations

from llmos.core.evidence import FAMILY_WEIGHT, PRIOR_RIGHT, PRIOR_WRONG, RETIRE_AFTER, Evidence
from llmos.core.wrong import Wrong
from llmos.interfaces.printable import one_line
from llmos.memory.trace_outcomes import Alias


def evidence_pairs(
    evidence: Evidence, *, verified: bool, floor: float, aliases: list[Alias], wrong: list[Wrong]
) -> list[tuple[str, str]]:
    """Label and value of each fact; `floor` is the configured threshold of FOLLOWER."""
    own, family = evidence.outcomes, evidence.family
    lines = [("replays", f"{own.successes} right, {own.failures} wrong, last {own.last_used or 'never'}")]
    if not verified:
        lines.append(("confidence", "none: it is never replayed"))
    else:
        lines += [
            (
                "family",
                f"{family.successes} right, {family.failures} wrong replays of other runs in the same words, each "
                f"counted as {FAMILY_WEIGHT:g}, beside {PRIOR_RIGHT:g} and {PRIOR_WRONG:g} that any verified run "
                f"starts with: {evidence.family_mean:.3f}",
            ),
            ("confidence", f"{evidence.confidence:.3f} that a replay for its own goal is right"),
            ("threshold", _threshold(evidence, floor)),
        ]
    if own.retired:
        lines.append(("retired", f"never replayed: {one_line(own.retired)}; `llmos traces enable` lets it be again"))
    if own.pinned:
        lines.append(("pinned", "preferred to other runs of the same goal, never pruned"))
    lines += [("alias", one_line(alias.goal)) for alias in aliases]
    lines += [
        ("blocked", one_line(f"for {one.goal!r}, since {one.when[:10]}{f': {one.reason}' if one.reason else ''}"))
        for one in wrong
    ]
    return lines


def _threshold(evidence: Evidence, floor: float) -> str:
    required, own = evidence.required(floor), evidence.outcomes
    if required <= floor:
        return f"{floor:.3f}, as configured"
    left = RETIRE_AFTER - own.in_a_row
    more = f"; {left} more in a row retire it" if 0 < left < RETIRE_AFTER else ""
    return f"{required:.3f}: {floor:.3f} as configured, raised by its failures{more}"
