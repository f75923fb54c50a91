"""Write traces/*.yaml, the starter examples, from the data in `starters`.

    python -m bench.local_goals.make_starters [FOLDER]

Every call is really run in a fresh directory, so each `saw`, exit code and list of files is what happened; the file
tools are done here in a few plain lines. The output is the same for the same data: nothing in it depends on the
machine or the time of day.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bench.local_goals.starters import Call, Starter
from bench.local_goals.starters_data import STARTERS
from llmos.adapters.embedder import MiniLmEmbedder
from llmos.core.catalogue import MINILM
from llmos.memory.examples import VECTORS_FILE, dump_vectors
from llmos.memory.model_store import ModelStore, models_folder

REASON = "an example that ships with llmos; examples are shown to a model and never replayed"
EFFECTS = {
    "shell": "execute",
    "write_file": "write",
    "edit_file": "write",
    "read_file": "read",
    "list_files": "read",
    "search_files": "read",
}
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LC_ALL": "C",
    "TZ": "UTC",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "init.defaultBranch",
    "GIT_CONFIG_VALUE_0": "main",
    "GIT_AUTHOR_NAME": "Example",
    "GIT_AUTHOR_EMAIL": "example@example.org",
    "GIT_AUTHOR_DATE": "2026-01-05T09:00:00Z",
    "GIT_COMMITTER_NAME": "Example",
    "GIT_COMMITTER_EMAIL": "example@example.org",
    "GIT_COMMITTER_DATE": "2026-01-05T09:00:00Z",
}


def trace_id(goal: str) -> str:
    """`<slug>-<hash8>` of a goal: its words in lower case, cut at a word near 48 characters, and its SHA-256."""
    slug = ""
    for word in re.findall(r"[a-z0-9]+", goal.lower()):
        if len(slug) + len(word) > 48:
            break
        slug = f"{slug}-{word}" if slug else word
    return f"{slug}-{hashlib.sha256(goal.encode()).hexdigest()[:8]}"


def bash(command: str, cwd: Path) -> tuple[int, str]:
    """Exit code and standard output followed by standard error."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=cwd,
        env=ENVIRONMENT,
        umask=0o022,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return done.returncode, (done.stdout + done.stderr).strip("\n")


def contents(root: Path) -> dict[str, bytes]:
    """Every file below `root` but git's own, by relative path."""
    found = (path for path in sorted(root.rglob("*")) if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def file_tool(call: Call, root: Path) -> str:
    """What the named file tool says, after doing it."""
    args = call.args
    if call.tool == "list_files":
        found = sorted(path.relative_to(root).as_posix() for path in root.glob(args["pattern"]) if path.is_file())
        return "\n".join(found)
    if call.tool == "search_files":
        hits = (
            f"{name}:{number}:{line}"
            for name, data in contents(root).items()
            for number, line in enumerate(data.decode().splitlines(), 1)
            if re.search(args["pattern"], line)
        )
        return "\n".join(hits)
    path = root / args["path"]
    if call.tool == "read_file":
        return path.read_text().strip("\n")
    if call.tool == "write_file":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(args["content"])
        return f"Created {args['path']} ({len(args['content'].encode())} bytes)."
    before = path.read_text()
    if before.count(args["old"]) != 1:
        raise ValueError(f"{args['old']!r} must occur once in {args['path']}")
    path.write_text(before.replace(args["old"], args["new"]))
    return f"Edited {args['path']}: 1 place."


def output_shape(text: str) -> str:
    if not text:
        return "empty"
    if re.fullmatch(r"-?\d+", text):
        return "integer"
    return "lines" if "\n" in text else "line"


def run_call(call: Call, root: Path) -> dict[str, Any]:
    """The step of the trace that this call makes in `root`."""
    before = contents(root)
    code, saw = bash(call.args["command"], root) if call.tool == "shell" else (0, file_tool(call, root))
    if code != 0:
        raise ValueError(f"{call.args}: exit code {code}: {saw}")
    after = contents(root)
    created, deleted = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    named = call.args.get("path", "")
    present = sorted({*changed, *deleted, *([named] if named in before else [])})
    expect = {"created": created, "changed": changed, "deleted": deleted, "output": output_shape(saw)}
    return {
        "tool": call.tool,
        "args": dict(call.args),
        "effect": EFFECTS[call.tool],
        "require": {"present": present, "absent": created},
        "expect": {**({"exit_code": 0} if call.tool == "shell" else {"exit_code": None}), **expect},
        "saw": saw,
    }


def lines_of(step: Mapping[str, Any]) -> list[str]:
    return str(step["saw"]).splitlines()


def solve(example: Starter) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and body of the example's trace, from really running it."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        code, said = bash(f"set -e; {example.setup}", root)
        if code != 0:
            raise ValueError(f"{example.goal}: the setup failed: {said}")
        steps = [run_call(call, root) for call in example.calls]
    answer = example.answer.format(*(", ".join(" ".join(row.split()) for row in lines_of(step)) for step in steps))
    header = {
        "format": "llmos-trace/1",
        "id": trace_id(example.goal),
        "goal": example.goal,
        "status": "guidance",
        "reason": REASON,
        "tools": {},
        "learned": {
            "when": "2026-11-22T00:00:00Z",
            "mode": "LEARNER",
            "model": "written by hand",
            "cost_usd": 0.0,
            "elapsed_s": 0.0,
        },
    }
    return header, {"steps": steps, "answer": {"text": answer, "values": []}}


class OneLine(yaml.SafeDumper):
    """Writes a text with line breaks in double quotes, so that a value stays on one line."""

    def represent_str(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\n" in text else None)


OneLine.add_representer(str, OneLine.represent_str)


def flow(value: Any) -> str:
    """`value` on one line of YAML."""
    text = yaml.dump(value, Dumper=OneLine, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def render(header: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """The two documents, one line a field, so that a reader and a diff see one fact at a time."""
    lines = [f"{key}: {flow(value)}" for key, value in header.items()]
    lines += ["---", "steps:"]
    for step in body["steps"]:
        fields = [f"{key}: {flow(value)}" for key, value in step.items()]
        lines += [f"- {fields[0]}", *(f"  {field}" for field in fields[1:])]
    lines.append(f"answer: {flow(body['answer'])}")
    return "\n".join(lines) + "\n"


def starter_files() -> dict[str, str]:
    """File name and text of every starter trace."""
    made = {}
    for example in STARTERS:
        header, body = solve(example)
        made[f"{header['id']}.yaml"] = render(header, body)
    return made


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made = starter_files()
    for stale in folder.glob("*.yaml"):
        if stale.name not in made and REASON in stale.read_text():
            stale.unlink()
    for name, text in made.items():
        (folder / name).write_text(text)
    write_vectors(folder)
    print(f"{len(made)} starter traces in {folder}")


def write_vectors(folder: Path) -> None:
    """The vectors of the goals, by the embedder of this machine."""
    path = ModelStore(models_folder(os.environ, Path.home())).find(MINILM)
    if path is None:
        raise SystemExit(f"the vectors need the embedder: llmos models pull {MINILM.name}")
    embedder = MiniLmEmbedder(path)
    vectors = {trace_id(one.goal): embedder.embed([one.goal])[0] for one in STARTERS}
    (folder / VECTORS_FILE).write_bytes(dump_vectors(vectors, embedder.name))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "traces")
