"""What is saved as always allowed counts only with this person's signature; the person's own config.yaml needs none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_world import Llmos
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.adapters.bash_parser import parse_bash
from llmos.core.permission import SavedRun, matches, propose_rule, read_call
from llmos.core.tool import Effect
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.signing import is_signed, key_path, signature

RULE = "shell(make deploy)"


def saved(home: Path) -> SavedPermissions:
    return SavedPermissions(home, lambda: datetime(2026, 11, 26, 10, 0, tzinfo=UTC))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "person" / ".llmos"
    saved(made).add_rule(RULE, tmp_path / "site")
    saved(made).add_run(SavedRun("sort-names-1", "5" * 64), tmp_path / "site")
    return made


def forged(real: str) -> Iterator[str]:
    """Lines that someone without the key could write in place of a real one."""
    record = json.loads(real)
    for field, value in (("rule", "shell(*)"), ("folder", "/"), ("when", "2027-01-01"), ("id", "00000000")):
        yield json.dumps({**record, field: value})
    yield json.dumps({name: value for name, value in record.items() if name != "mac"})
    for mac in ("", None, 0, [], record["mac"][::-1], record["mac"].upper(), "é", "0" * 64):
        yield json.dumps({**record, "mac": mac})
    fields = [record["id"], record["folder"], record["when"], "shell(*)", "", ""]
    for key in (b"", b"\0" * 32, b"llmos"):
        yield json.dumps({**record, "rule": "shell(*)", "mac": signature(key, "llmos-permission/1", fields)})
    yield json.dumps({**record, "when": f"{record['when']}\nshell(*)", "rule": ""})


def test_no_forged_line_allows_anything(home: Path, tmp_path: Path) -> None:
    path = home / "permissions.jsonl"
    lines = path.read_text().splitlines()
    assert len(saved(home).all()) == 2  # the partner: what is signed counts
    wrong = []
    for line in forged(lines[0]):
        path.write_text(line + "\n")
        if saved(home).all() or saved(home).rules(tmp_path / "site"):
            wrong.append(line)
        path.write_text("\n".join([*lines, line]) + "\n")  # nor does it take the place of a real one
        if [one.rule for one in saved(home).all()] != [RULE, ""]:
            wrong.append(line)
    assert wrong == []


def test_one_byte_changed_anywhere_allows_nothing_else(home: Path, tmp_path: Path) -> None:
    path = home / "permissions.jsonl"
    data = path.read_bytes()
    real = {(one.folder, one.rule, one.run) for one in saved(home).all()}
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert {(one.folder, one.rule, one.run) for one in saved(home).all()} <= real


def test_without_the_key_or_with_another_nothing_counts(home: Path) -> None:
    key_path(home).write_bytes(b"1" * 32)
    key_path(home).chmod(0o600)
    assert (saved(home).all(), len(saved(home).unconfirmed())) == ((), 2)
    key_path(home).unlink()
    assert (saved(home).all(), len(saved(home).unconfirmed())) == ((), 2)


SEPARATORS = ("\n", "\0", ",", "\\")
fields = st.lists(st.text(st.sampled_from(["a", "b", *SEPARATORS]), max_size=4), min_size=1, max_size=4)


def test_a_command_of_several_lines_that_was_allowed_for_always_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    several = "cat > a.txt <<'END'\none\\n\nEND\n"
    saved(tmp_path / "home").add_rule(propose_rule("shell", Effect.EXECUTE, (several,)), tmp_path / "site")
    (rule,) = saved(tmp_path / "home").rules(tmp_path / "site")
    asked = [read_call("shell", Effect.EXECUTE, (command,), parse_bash) for command in (several, several[:-1])]
    assert [matches(rule, call) for call in asked] == [True, False]


def cut_otherwise(one: list[str]) -> list[list[str]]:
    """Other fields that are the same text once they are joined, by whatever one may join them with."""
    whole = "".join(one)
    return [[whole], [whole[:1], whole[1:]], *(sign.join(one).split(sign) for sign in SEPARATORS)]


@settings(max_examples=300)
@given(fields)
def test_fields_that_were_not_signed_are_not_taken_for_those_that_were(one: list[str]) -> None:
    mac = signature(b"k" * 32, "kind", one)
    for other in cut_otherwise(one):
        assert is_signed(b"k" * 32, "kind", other, mac) == (one == other and "\0" not in "".join(other))


@pytest.mark.parametrize("sign", ["", *SEPARATORS])
def test_fields_that_are_only_joined_would_be_taken_for_others(sign: str) -> None:
    one = ["a", f"b{sign}a"]
    assert any(sign.join(other) == sign.join(one) for other in cut_otherwise(one) if other != one)


def test_a_person_is_told_and_confirms_or_revokes(llmos: Llmos, work: Path) -> None:
    home = Path(os.environ["LLMOS_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    record = {"id": "1f0c77aa", "folder": str(work), "when": "2026-11-26T10:00:00+00:00", "rule": "shell(./build)"}
    other = {**record, "id": "2f0c77aa", "rule": "shell(./other)"}
    (home / "permissions.jsonl").write_text(json.dumps(record) + "\n" + json.dumps(other) + "\n")
    listed = llmos("permissions", "list")
    assert listed.out.splitlines()[1].split()[:3] == ["1f0c77aa", "unsigned", "saved"]
    assert (
        "2 of them are not signed with your key: no effect until `llmos permissions confirm ID`, or `revoke ID` it"
        in listed.err
    )
    assert llmos("permissions", "test", "./build").out.startswith("ask: ")
    confirmed = llmos("permissions", "confirm", "1f0c")
    assert confirmed.code == 0 and "shell(./build) in " in confirmed.err
    assert llmos("permissions", "test", "./build").out.startswith("allow: allow rule shell(./build)")
    assert llmos("permissions", "revoke", "2f0c").code == 0
    assert [row["verdict"] for row in json.loads(llmos("permissions", "list", "--json").out)] == ["allow"]
    assert "no saved permission waits for a yes under '2f0c'" in llmos("permissions", "confirm", "2f0c").err


def test_a_rule_in_the_persons_own_settings_needs_no_signature(llmos: Llmos) -> None:
    home = Path(os.environ["LLMOS_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.yaml").write_text('format: llmos-config/1\npermissions:\n  allow: ["shell(./build)"]\n')
    assert llmos("permissions", "test", "./build").out.startswith("allow: allow rule shell(./build)")
