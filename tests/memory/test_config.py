"""Settings: layers, origins, what a project may do, and one sentence for everything that is not understood."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmos.core.errors import ConfigError
from llmos.core.events import Verdict
from llmos.core.permission import Rule
from llmos.memory.config import BUILT_IN, Config, config_template, load_config
from llmos.memory.config_schema import Settings, all_settings
from llmos.memory.workspace import Workspace, WorkspaceOrigin

FORMAT = "format: llmos-config/1\n"


class Place:
    """A home and a project with config files."""

    def __init__(self, folder: Path) -> None:
        self.home, self.project = folder / "home", folder / "project"
        for path in (self.home, self.project):
            path.mkdir(mode=0o700)
        self.user_file, self.project_file = self.home / "config.yaml", self.project / "config.yaml"

    def load(
        self,
        user: str | bytes | None = None,
        project: str | None = None,
        env: dict[str, str] | None = None,
        flags: dict[str, Any] | None = None,
    ) -> Config:
        """Load with these texts after the format line (bytes: the whole user file)."""
        if user is not None:
            self.user_file.write_bytes(user if isinstance(user, bytes) else (FORMAT + user).encode())
        if project is not None:
            self.project_file.write_text(FORMAT + project)
        root = self.home if project is None else self.project
        workspace = Workspace(root, WorkspaceOrigin.FLAG, self.home)
        return load_config(workspace, {"HOME": "/home/me", **(env or {})}, flags or {})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def changed(config: Config) -> dict[str, tuple[Any, str]]:
    """The settings that are not built-in, each with its origin."""
    return {row.key: (row.value, row.origin) for row in config.rows() if row.origin != BUILT_IN}


# layers


def test_without_files_everything_is_built_in(place: Place) -> None:
    config = place.load()
    assert config == Config(Settings(), dict.fromkeys(all_settings(), BUILT_IN), (), ())
    assert [(row.key, row.value) for row in config.rows()] == [
        ("model", "auto"),
        ("anthropic_model", "claude-sonnet-5-5"),
        ("judge_model", "claude-haiku-5-5"),
        ("effort", None),
        ("api.base_url", None),
        ("matching.follower", 0.92),
        ("matching.mixed", 0.75),
        ("matching.mixed_k", 1),
        ("matching.judge", False),
        ("matching.judged_replay", False),
        ("budget.per_goal_usd", 1.0),
        ("budget.per_session_usd", 10.0),
        ("budget.per_day_usd", 50.0),
        ("limits.max_steps", 30),
        ("limits.small_model_steps", 8),
        ("limits.tool_timeout_s", 120),
        ("limits.output_bytes", 30_000),
        ("limits.max_tokens", 16_000),
        ("limits.retry_total_s", 300),
        ("limits.replay_wait_s", 30.0),
        ("limits.goal_bytes", 100_000),
        ("context.compact_at", 0.8),
        ("orchestrator.split", "auto"),
        ("orchestrator.parallel", 3),
        ("orchestrator.max_sub_goals", 50),
        ("orchestrator.depth", 2),
        ("orchestrator.max_agents", 8),
        ("orchestrator.alive_agents", 8),
        ("orchestrator.confirm", "planned"),
        ("permissions.mode", "ask"),
        ("permissions.allow", ()),
        ("permissions.ask", ()),
        ("permissions.deny", ()),
        ("permissions.paths", ()),
        ("sandbox.mode", "auto"),
        ("sandbox.network", "off"),
        ("sandbox.network_for", ()),
        ("sandbox.env", ()),
        ("sandbox.hide", ()),
        ("backups.max_mb", 64),
        ("backups.max_files", 2_000),
        ("local.threads", None),
        ("local.context", 8_192),
        ("local.slots", 2),
        ("memory", "on"),
        ("tiers.core_every", 10),
        ("tiers.archival_every", 100),
        ("tiers.recall_stability", 0.1),
        ("tiers.core_stability", 0.5),
        ("tiers.archival_stability", 0.9),
        ("tiers.recall_base_rate", 0.1),
        ("tiers.core_base_rate", 0.01),
        ("tiers.archival_base_rate", 0.001),
        ("tiers.update_usd", 0.05),
        ("tiers.update_s", 120),
        ("archival.url", None),
        ("batch.workers", 4),
        ("screen.verbose", False),
        ("prices", {}),
    ]


def test_each_layer_beats_the_one_below_and_says_so(place: Place) -> None:
    user, project = "effort: low\nlimits:\n  max_steps: 20\n", "limits: {max_steps: 10}\n"
    steps = {"limits.max_steps": 5, "model": None}
    assert changed(place.load(user)) == {
        "effort": ("low", f"{place.user_file}:2"),
        "limits.max_steps": (20, f"{place.user_file}:4"),
    }
    assert changed(place.load(user, project))["limits.max_steps"] == (10, f"{place.project_file}:2")
    assert changed(place.load(user, project, flags=steps))["limits.max_steps"] == (5, "command line --max-steps")


def test_environment_and_flags(place: Place) -> None:
    user = "model: a\nbudget: {per_goal_usd: 2}\napi: {base_url: 'https://proxy.example/v1'}\n"
    env = {"LLMOS_MODEL": "b", "LLMOS_MAX_COST": ".5", "ANTHROPIC_BASE_URL": "http://localhost:9"}
    assert changed(place.load(user, env=dict.fromkeys(env, ""))) == {
        "model": ("a", f"{place.user_file}:2"),
        "budget.per_goal_usd": (2.0, f"{place.user_file}:3"),
        "api.base_url": ("https://proxy.example/v1", f"{place.user_file}:4"),
    }
    assert changed(place.load(user, env=env, flags={"model": "c", "budget.per_goal_usd": 0})) == {
        "model": ("c", "command line --model"),
        "budget.per_goal_usd": (0.0, "command line --max-cost"),
        "api.base_url": ("http://localhost:9", "environment ANTHROPIC_BASE_URL"),
    }
    assert changed(place.load("", env=env))["budget.per_goal_usd"] == (0.5, "environment LLMOS_MAX_COST")


def test_lists_add_up_and_rules_know_their_line(place: Place) -> None:
    user = "permissions:\n  allow:\n    - read_file\n    - shell(git status)\n"
    user += "  deny: [shell(rm *)]\n  paths: [~, ~/x, /srv]\n"
    project = "permissions: {deny: [web, 'shell(rm *)'], ask: [write_file]}\n"
    config = place.load(user, project, flags={"permissions.allow": ["glob"]})
    mine, theirs = place.user_file, place.project_file
    assert changed(config) == {
        "permissions.allow": (
            ("read_file", "shell(git status)", "glob"),
            f"{mine}:3 and command line permissions.allow",
        ),
        "permissions.deny": (("shell(rm *)", "web"), f"{mine}:6 and {theirs}:2"),
        "permissions.ask": (("write_file",), f"{theirs}:2"),
        "permissions.paths": (("/home/me", "/home/me/x", "/srv"), f"{mine}:7"),
    }
    assert config.rules == (
        Rule(Verdict.ALLOW, "read_file", None, f"{mine} line 4"),
        Rule(Verdict.ALLOW, "shell", "git status", f"{mine} line 5"),
        Rule(Verdict.DENY, "shell", "rm *", f"{mine} line 6"),
        Rule(Verdict.DENY, "web", None, f"{theirs} line 2"),
        Rule(Verdict.DENY, "shell", "rm *", f"{theirs} line 2"),
        Rule(Verdict.ASK, "write_file", None, f"{theirs} line 2"),
        Rule(Verdict.ALLOW, "glob", None, "permissions.allow on the command line"),
    )


# a project may only tighten


LOOSER = {
    "api: {base_url: 'https://evil.example'}": "api.base_url",
    "prices: {m: {input: 0, output: 0, cache_read: 0, cache_write: 0}}": "prices",
    "permissions: {allow: ['*']}": "permissions.allow",
    "permissions: {mode: trusted}": "permissions.mode",
    "context: {compact_at: 0.81}": "context.compact_at",
    "permissions: {paths: [/]}": "permissions.paths",
    "budget: {per_goal_usd: 1.01}": "budget.per_goal_usd",
    "budget: {per_session_usd: 10.01}": "budget.per_session_usd",
    "budget: {per_day_usd: 50.01}": "budget.per_day_usd",
    "matching: {follower: 0.91}": "matching.follower",
    "matching: {mixed: 0}": "matching.mixed",
    "matching: {judge: true}": "matching.judge",
    "matching: {judged_replay: true}": "matching.judged_replay",
    "limits: {max_steps: 31}": "limits.max_steps",
    "limits: {small_model_steps: 9}": "limits.small_model_steps",
    "limits: {tool_timeout_s: 121}": "limits.tool_timeout_s",
    "limits: {output_bytes: 30001}": "limits.output_bytes",
    "limits: {max_tokens: 16001}": "limits.max_tokens",
    "limits: {retry_total_s: 301}": "limits.retry_total_s",
    "limits: {goal_bytes: 100001}": "limits.goal_bytes",
    "matching: {mixed_k: 2}": "matching.mixed_k",
    "limits: {replay_wait_s: 31}": "limits.replay_wait_s",
    "sandbox: {mode: off}": "sandbox.mode",
    "sandbox: {network: on}": "sandbox.network",
    "sandbox: {network_for: [shell]}": "sandbox.network_for",
    "sandbox: {env: [TOKEN]}": "sandbox.env",
    "orchestrator: {parallel: 4}": "orchestrator.parallel",
    "orchestrator: {max_sub_goals: 51}": "orchestrator.max_sub_goals",
    "orchestrator: {depth: 3}": "orchestrator.depth",
    "orchestrator: {max_agents: 9}": "orchestrator.max_agents",
    "orchestrator: {alive_agents: 9}": "orchestrator.alive_agents",
    "orchestrator: {confirm: never}": "orchestrator.confirm",
    "backups: {max_mb: 0}": "backups.max_mb",
    "backups: {max_files: 1}": "backups.max_files",
    "local: {threads: 64}": "local.threads",
    "local: {context: 8193}": "local.context",
    "local: {slots: 3}": "local.slots",
    "tiers: {core_every: 1}": "tiers.core_every",
    "tiers: {archival_every: 1}": "tiers.archival_every",
    "tiers: {recall_stability: 0}": "tiers.recall_stability",
    "tiers: {core_stability: 0}": "tiers.core_stability",
    "tiers: {archival_stability: 0}": "tiers.archival_stability",
    "tiers: {recall_base_rate: 1}": "tiers.recall_base_rate",
    "tiers: {core_base_rate: 1}": "tiers.core_base_rate",
    "tiers: {archival_base_rate: 1}": "tiers.archival_base_rate",
    "tiers: {update_usd: 1}": "tiers.update_usd",
    "tiers: {update_s: 121}": "tiers.update_s",
    "archival: {url: 'http://evil.example:8000'}": "archival.url",
    "batch: {workers: 5}": "batch.workers",
    "screen: {verbose: true}": "screen.verbose",
}


@pytest.mark.parametrize("line", LOOSER)
def test_a_project_cannot_loosen(place: Place, line: str) -> None:
    config = place.load("", line)
    assert (changed(config), config.rules, config.settings) == ({}, (), Settings())
    (notice,) = config.notices
    assert notice.startswith(f"{place.project_file}:2: {LOOSER[line]} is ignored: ")
    assert notice.endswith(f"; decide it in {place.user_file}")


def test_the_same_words_hold_in_the_persons_own_file(place: Place) -> None:
    loosened = {key for line in LOOSER for key in changed(place.load(line))}
    assert loosened == set(LOOSER.values())


def test_every_setting_is_either_safe_for_a_project_or_guarded_above() -> None:
    assert set(all_settings()) - set(LOOSER.values()) == {
        "model",
        "anthropic_model",
        "judge_model",
        "effort",
        "permissions.ask",
        "permissions.deny",
        "sandbox.hide",
        "memory",
        "orchestrator.split",
    }


def test_a_project_can_turn_memory_off_and_not_on(place: Place) -> None:
    assert place.load("", "memory: off").settings.memory == "off"
    config = place.load("memory: off", "memory: on")
    assert (config.settings.memory, len(config.notices)) == ("off", 1)


def test_a_project_can_only_make_the_sandbox_stricter(place: Place) -> None:
    for mine, theirs, holds in [
        ("off", "auto", "auto"),
        ("off", "required", "required"),
        ("auto", "required", "required"),
        ("required", "auto", "required"),
        ("required", "off", "required"),
    ]:
        config = place.load(f"sandbox: {{mode: {mine}}}", f"sandbox: {{mode: {theirs}}}")
        assert (config.settings.sandbox.mode, len(config.notices)) == (holds, int(holds != theirs))
    flag = {"sandbox.mode": "off"}
    assert place.load("", "sandbox: {mode: required}", flags=flag).settings.sandbox.mode == "off"


def test_a_project_can_tighten(place: Place) -> None:
    project = (
        "budget: {per_goal_usd: 0.1}\nmatching: {follower: 0.99, mixed: 0.8, judge: false}\n"
        "limits: {max_steps: 3}\nbackups: {max_mb: 100}\npermissions: {deny: [shell]}\neffort: low\n"
    )
    config = place.load("", project)
    assert config.notices == ()
    assert {key: value for key, (value, _) in changed(config).items()} == {
        "budget.per_goal_usd": 0.1,
        "matching.follower": 0.99,
        "matching.mixed": 0.8,
        "matching.judge": False,
        "limits.max_steps": 3,
        "backups.max_mb": 100,
        "permissions.deny": ("shell",),
        "effort": "low",
    }


def test_a_project_loosens_neither_what_the_person_lowered_nor_chose(place: Place) -> None:
    user = "model: local-one\nbudget: {per_goal_usd: 0.2}\n"
    config = place.load(user, "model: claude-opus-5\nbudget: {per_goal_usd: 0.5}\n")
    assert changed(config) == {
        "model": ("local-one", f"{place.user_file}:2"),
        "budget.per_goal_usd": (0.2, f"{place.user_file}:3"),
    }
    assert config.notices == (
        f"{place.project_file}:2: model is ignored: {place.user_file}:2 decides it; decide it in {place.user_file}",
        f"{place.project_file}:3: budget.per_goal_usd is ignored: a project can only lower it, and it is 0.2; "
        f"decide it in {place.user_file}",
    )
    assert place.load("", "model: claude-opus-5\n").settings.model == "claude-opus-5"


# what is not understood


WRONG = {
    "matchng: 1": "unknown setting matchng in FILE line 2; did you mean matching?",
    "matching:\n  follwer: 1": "unknown setting matching.follwer in FILE line 3; did you mean matching.follower?",
    "follower: 1": "unknown setting follower in FILE line 2; did you mean matching.follower?",
    "matching.follower: 1": "unknown setting matching.follower in FILE line 2; write it as `matching: {follower: …}`",
    "zzz: 1": "unknown setting zzz in FILE line 2; `llmos config show` lists the settings",
    '"\\e[2J": 1': 'unknown setting "\\u001b[2J" in FILE line 2; `llmos config show` lists the settings',
    "matching: 3": "FILE line 2: matching must be a group of settings, not 3",
    "matching: [1]": "FILE line 2: matching must be a group of settings, not [1]",
    "matching: {follower: 2}": "FILE line 2: matching.follower must be a number from 0 to 1, not 2",
    "matching: {follower: '0.9'}": 'FILE line 2: matching.follower must be a number from 0 to 1, not "0.9"',
    "matching: {follower: true}": "FILE line 2: matching.follower must be a number from 0 to 1, not true",
    "matching: {judge: 1}": "FILE line 2: matching.judge must be true or false, not 1",
    "matching: {judge: yes}": 'FILE line 2: matching.judge must be true or false, not "yes"',
    "budget: {per_goal_usd: -1}": "FILE line 2: budget.per_goal_usd must be a number from 0 to 10000, not -1",
    "budget: {per_goal_usd: .nan}": 'FILE line 2: budget.per_goal_usd must be a number from 0 to 10000, not ".nan"',
    "budget: {per_goal_usd: 1e999}": "FILE line 2: the number 1e999 is out of range",
    "limits: {max_steps: 0}": "FILE line 2: limits.max_steps must be a whole number from 1 to 1000, not 0",
    "limits: {max_steps: 3.5}": "FILE line 2: limits.max_steps must be a whole number from 1 to 1000, not 3.5",
    "limits: {max_steps: null}": "FILE line 2: limits.max_steps must be a whole number from 1 to 1000, not null",
    "local: {threads: 0}": "FILE line 2: local.threads must be null or a whole number from 1 to 1024, not 0",
    "effort: hgih": 'FILE line 2: effort must be one of null, low, medium, high, xhigh, max, not "hgih"',
    "model: /etc/x": 'FILE line 2: model must be auto or the id of a model, not "/etc/x"',
    "model: {a: b}": 'FILE line 2: model must be auto or the id of a model, not {"a": "b"}',
    "api: {base_url: 'https://me:secret@h'}": (
        "FILE line 2: api.base_url must be null or an address like https://host/path, with no password in it, "
        'not "https://…@h"'
    ),
    "permissions: {deny: shell}": 'FILE line 2: permissions.deny must be a list of rules, not "shell"',
    "permissions:\n  deny:\n    - shell\n    - 3": (
        "FILE line 5: permissions.deny must be a list of rules, but item 2 is 3"
    ),
    "permissions:\n  deny:\n    - a b": (
        "FILE line 4: 'a b' is not a permission rule; write `tool` or `tool(pattern)`"
    ),
    "permissions: {paths: [src]}": (
        'FILE line 2: permissions.paths must be a list of folders that begin with / or ~/, but item 1 is "src"'
    ),
    "prices:\n  m.1:\n    input: x": (
        "FILE line 4: prices must be {MODEL: {input: …, output: …, cache_read: …, cache_write: …}} with numbers of "
        '0 or more, but m.1.input is "x"'
    ),
    "prices:\n  m: {input: 1, output: 1, cache_read: 1}": (
        "FILE line 3: prices must be {MODEL: {input: …, output: …, cache_read: …, cache_write: …}} with numbers of "
        "0 or more, but m.cache_write is missing"
    ),
    "model: a\nmodel: b": 'FILE line 3: the key "model" is there twice',
    "model: &a b": "FILE line 2: anchors and aliases (& and *) are not accepted; quote a text that begins so",
    "model: !!python/name:os.system": "FILE line 2: tags (!) are not accepted; quote a text that begins so",
    "a: [": (
        "FILE line 3: this is not valid YAML (while parsing a flow node did not find expected node content)"
    ),
    "---\nmodel: a": "FILE holds more than one document",
    "matching: {follower: 0.5}": (
        "matching.mixed (0.75, built-in) is above matching.follower (0.5, FILE:2); it must be the lower of the two"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_setting_is_one_sentence(place: Place, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place.load(text + "\n")
    assert str(caught.value) == WRONG[text].replace("FILE", str(place.user_file))


MUST = "it must begin with `format: llmos-config/1`"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", f"FILE holds no settings; {MUST}"),
        (b"\n# only a comment\n", f"FILE holds no settings; {MUST}"),
        (b"model: a\n", "FILE has no `format:` line; it must say llmos-config/1"),
        (b"- a\n", f"FILE line 1: there must be settings of the form `key: value`; {MUST}"),
        (
            b"format: llmos-config/2\n",
            "FILE was written by a newer llmos (format 2, this version reads up to 1); upgrade llmos",
        ),
        (b"format: llmos-trace/1\n", "FILE is a llmos-trace file, expected llmos-config/1"),
        (b"format: 1\n", 'FILE has an unreadable format "1"; expected llmos-config/1'),
        (b"\xff", "FILE line 1: this is not UTF-8 text"),
        (b"#" * 1_000_001, "cannot read FILE: it is larger than 1000000 bytes"),
    ],
    ids=["empty", "comment", "no format", "list", "newer", "kind", "number", "utf-8", "size"],
)
def test_a_file_that_is_no_config_file_says_so(place: Place, text: bytes, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place.load(text)
    assert str(caught.value) == sentence.replace("FILE", str(place.user_file))


@pytest.mark.parametrize(
    ("env", "flags", "sentence"),
    [
        (
            {"LLMOS_MAX_COST": "nan"},
            {},
            'LLMOS_MAX_COST: budget.per_goal_usd must be a number from 0 to 10000, not "nan"',
        ),
        (
            {"LLMOS_MAX_COST": "-1"},
            {},
            'LLMOS_MAX_COST: budget.per_goal_usd must be a number from 0 to 10000, not "-1"',
        ),
        ({"LLMOS_MODEL": "a b"}, {}, 'LLMOS_MODEL: model must be auto or the id of a model, not "a b"'),
        (
            {},
            {"budget.per_goal_usd": float("inf")},
            "--max-cost on the command line: budget.per_goal_usd must be a number from 0 to 10000, not Infinity",
        ),
        ({}, {"modle": "x"}, "unknown setting modle on the command line; did you mean model?"),
    ],
)
def test_wrong_variables_and_flags(place: Place, env: dict[str, str], flags: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place.load(env=env, flags=flags)
    assert str(caught.value) == sentence


def test_a_config_that_others_can_write_is_refused(place: Place) -> None:
    place.load("model: a\n")
    place.user_file.chmod(0o666)
    with pytest.raises(ConfigError, match="can be written by other users"):
        place.load()


# the template


def test_the_template_is_valid_as_it_is_and_with_every_line_in_force(place: Place) -> None:
    assert changed(place.load(config_template().encode())) == {}
    everything = re.sub(r"^#(?! )|^#(?=  )", "", config_template(), flags=re.MULTILINE)
    config = place.load(everything.encode())
    assert config.settings == Settings()
    assert set(changed(config)) == set(all_settings())
    assert max(len(line) for line in config_template().splitlines()) <= 120


def test_the_starter_workspace_has_the_current_template() -> None:
    assert (Path(__file__).parents[2] / "config.yaml").read_text() == config_template()


def test_a_group_without_settings_is_no_error(place: Place) -> None:
    assert changed(place.load("matching:\n#  follower: 0.9\nlimits: {}\n")) == {}


def test_the_settings_are_light_until_they_are_loaded() -> None:
    code = "import sys, llmos.memory.config; print(sorted({'pydantic', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
