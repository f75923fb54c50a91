"""`llmos doctor`: it finds what is wrong, and nothing that it says gives anybody away."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from cli_world import COUNT, Llmos

from llmos.core.errors import ExitStatus
from llmos.interfaces.doctor import Check, State, lines, redactor
from llmos.memory.transcript import Transcript
from llmos.testing import FakeMessagesServer, FixedClock

GOLDEN = Path(__file__).parent.parent / "golden" / "cli"
CHECKS = [
    Check("llmos", State.OK, "0.1.0 in ~/.local/lib/llmos"),
    Check("packages", State.OK, "typer 0.29.2, rich 15.0.0, prompt-toolkit 3.0.53, anthropic 2.12.0, pyyaml 6.0.3"),
    Check("credential", State.NOTE, "none; the embedded model needs none", "set ANTHROPIC_API_KEY for the API"),
    Check("store permissions", State.WARN, "open to other users: ~/.llmos/backups", "`chmod -R go-rwx ~/.llmos`"),
    Check("online", State.FAIL, "The model server cannot be reached."),
]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_findings_at_every_width(width: int) -> None:
    shown = lines(CHECKS, width)
    assert all(len(line) <= width for line in shown)
    assert "\n".join(shown) + "\n" == (GOLDEN / f"doctor-{width}.txt").read_text()


def found(llmos: Llmos, *words: str) -> dict[str, list[Check]]:
    """The findings by name."""
    named: dict[str, list[Check]] = {}
    for record in json.loads(llmos("doctor", "--json", *words).out):
        check = Check(record["name"], State(record["state"]), record["found"], record["fix"])
        named.setdefault(check.name, []).append(check)
    return named


def test_a_fresh_machine_is_healthy_and_told_how_to_get_a_model(llmos: Llmos) -> None:
    ended = llmos("doctor")
    assert (ended.code, ended.err) == (0, "")
    (model,) = found(llmos)["model"]
    assert model.state is State.WARN
    assert "set ANTHROPIC_API_KEY, or get the embedded model" in model.found and "replays, traces" in model.found
    assert found(llmos)["telemetry"][0].found == "none: only the model that you chose is ever called"
    (sandbox,) = found(llmos)["sandbox"]
    assert sandbox.state is State.OK and sandbox.found.split(":")[0] in ("bubblewrap", "landlock")


def test_nothing_gives_anybody_away(
    kept: str, llmos: Llmos, work: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home-of-alice"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "alice")
    monkeypatch.setenv("LLMOS_HOME", str(home / ".llmos"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-very-secret-value")
    monkeypatch.setenv("LC_ALL", "sk-ant-very-secret-value")
    for words in ((), ("--json",)):
        out = llmos("doctor", *words).out
        assert "~/.llmos" in out
        for secret in ("sk-ant", "alice", str(home)):
            assert secret not in out


def test_the_redactor_takes_out_whole_names_only() -> None:
    redact = redactor({"HOME": "/home/al", "USER": "al", "MY_TOKEN": "hunter22", "X": "plain-value"})
    assert redact("/home/al/x and /home/alma, all by al in /srv/al: hunter22 plain-value") == (
        "~/x and /home/alma, all by <user> in /srv/<user>: <redacted> plain-value"
    )


def test_a_wrong_setting_fails_and_the_rest_is_still_told(llmos: Llmos) -> None:
    home = Path(os.environ["LLMOS_HOME"])
    home.mkdir(mode=0o700, parents=True)
    (home / "config.yaml").write_text("format: llmos-config/1\nmodell: auto\n")
    ended = llmos("doctor")
    assert ended.code == ExitStatus.FAILED
    assert "FAIL configuration" in ended.out and "line 2; did you mean model?" in ended.out
    assert "ok   terminal" in ended.out and "1 failed" in ended.out


def test_what_is_wrong_with_the_record_is_found(kept: str, llmos: Llmos) -> None:
    home = Path(os.environ["LLMOS_HOME"])
    healthy = found(llmos)
    assert healthy["store permissions"] == [Check("store permissions", State.OK, "no file is open to other users")]
    assert healthy["locks"] == [Check("locks", State.OK, "nothing is left of processes that died")]
    assert healthy["traces"] == [Check("traces", State.OK, "1 readable, 1 of them verified and approved")]

    (home / "traces" / "broken.yaml").write_text("[")
    (home / "memories/recall/2026-01-01-dead.jsonl").write_text('{"seq":0}\n')
    home.chmod(0o755)
    (home / "memories").chmod(0o755)
    (home / "approvals.jsonl").chmod(0o644)
    (home / ".llmos/open/2026-01-01-dead.jsonl").touch()
    old = home / "traces/.llmos-0011.tmp"
    old.touch()
    os.utime(old, (0, 0))
    (home / "crashes").mkdir()
    (home / "crashes/llmos-crash-1.txt").touch()
    trace = home / "traces" / f"{kept}.yaml"
    trace.write_text(trace.read_text().replace("saw: ", "saw:  "))

    ill = found(llmos)
    assert [check.state for check in ill["traces"]] == [State.OK, State.NOTE, State.WARN]
    assert "1 verified ones are not approved here" in ill["traces"][1].found
    assert "broken.yaml" in ill["traces"][2].found
    assert ill["sessions"][1].state is State.WARN
    (exposed,) = ill["store permissions"]
    assert (exposed.state, exposed.fix) == (State.WARN, "`llmos doctor --repair` closes them")
    assert exposed.found == (f"open to other users: {home}, {home}/crashes, {home}/memories and 2 more")
    assert [check.found.split(",")[0] for check in ill["locks"]] == ["1 session was cut off", "1 half-written files"]
    assert ill["crashes"][0].found.startswith("1 defects on record")


def test_a_living_session_is_no_leftover(kept: str, llmos: Llmos) -> None:
    from llmos.core.events import Notice

    home = Path(os.environ["LLMOS_HOME"])
    living = Transcript(home / "memories/recall", home / ".llmos/open", session="living", clock=FixedClock())
    living.record(Notice(text="here"))
    assert found(llmos)["locks"][0].state is State.OK
    living.close()


def test_online_asks_the_api_and_costs_nothing(llmos: Llmos, api: FakeMessagesServer) -> None:
    assert "online" not in found(llmos)
    (online,) = found(llmos, "--online")["online"]
    assert online.state is State.OK and online.found.endswith("and serves claude-sonnet-5-5")
    assert api.bodies == []


def test_an_api_that_cannot_be_reached_fails(llmos: Llmos, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key-of-nobody")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        ended = llmos("doctor", "--online")
    assert ended.code == ExitStatus.FAILED
    assert "FAIL online" in ended.out and "test-key" not in ended.out


def test_doctor_decides_nothing_and_writes_nothing_of_the_record(llmos: Llmos) -> None:
    llmos("doctor")
    assert not (Path(os.environ["LLMOS_HOME"]) / "traces").exists()
    assert llmos("run", "--dry-run", COUNT).code == 0
