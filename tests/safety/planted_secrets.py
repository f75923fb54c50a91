"""Secrets that no redactor of ours has seen as a list: drawn anew from a seed, 30 kinds, each in seven places."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from llmos.core.events import Event, Notice, Outcome, ToolFinished, ToolStarted, TurnEnded, TurnStarted
from llmos.core.events import Mode as TurnMode
from llmos.core.tool import Effect, FileChanges

_LETTERS = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Plant:
    """A secret in the words around it. `canary` is what must be found nowhere afterwards."""

    kind: str
    text: str
    canary: str


def _of(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def _mixed(rng: random.Random, length: int) -> str:
    """Letters and digits, both of them."""
    return _of(rng, _LETTERS, length - 2) + rng.choice(string.digits) + rng.choice(string.ascii_letters)


def _pem(rng: random.Random) -> tuple[str, str]:
    lines = [_of(rng, _LETTERS + "+/", 64) for _ in range(5)]
    body = "\n".join(lines)
    return f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----", lines[2]


def _jwt(rng: random.Random) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(f'{{"sub":"{_mixed(rng, 12)}"}}'.encode()).decode().rstrip("=")
    return f"{head}.{body}.{_of(rng, _LETTERS, 43)}"


def _whole(make: Callable[[random.Random], str], around: str = "{}") -> Callable[[random.Random], tuple[str, str]]:
    def plant(rng: random.Random) -> tuple[str, str]:
        secret = make(rng)
        return around.format(secret), secret

    return plant


KINDS: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "anthropic": _whole(lambda rng: f"sk-ant-api03-{_of(rng, _LETTERS + '_-', 95)}"),
    "openai project": _whole(lambda rng: f"sk-proj-{_of(rng, _LETTERS + '_-', 74)}"),
    "openai": _whole(lambda rng: f"sk-{_mixed(rng, 48)}"),
    "github classic": _whole(lambda rng: f"ghp_{_of(rng, _LETTERS, 36)}"),
    "github fine-grained": _whole(lambda rng: f"github_pat_{_of(rng, _LETTERS, 22)}_{_of(rng, _LETTERS, 59)}"),
    "gitlab": _whole(lambda rng: f"glpat-{_of(rng, _LETTERS + '_', 20)}"),
    "slack": _whole(lambda rng: f"xoxb-{_of(rng, string.digits, 12)}-{_of(rng, _LETTERS, 24)}"),
    "slack hook": _whole(
        lambda rng: f"T{_of(rng, string.ascii_uppercase, 8)}/B{_of(rng, string.ascii_uppercase, 8)}/{_mixed(rng, 24)}",
        "https://hooks.slack.com/services/{}",
    ),
    "aws id": _whole(lambda rng: f"AKIA{_of(rng, string.ascii_uppercase + '234567', 16)}"),
    "aws secret": _whole(lambda rng: _of(rng, _LETTERS + "+/", 38) + "1a", "AWS_SECRET_ACCESS_KEY={}"),
    "google": _whole(lambda rng: f"AIza{_of(rng, _LETTERS + '_-', 35)}"),
    "google oauth": _whole(lambda rng: f"ya29.{_of(rng, _LETTERS + '_-', 60)}"),
    "hugging face": _whole(lambda rng: f"hf_{_of(rng, _LETTERS, 34)}"),
    "npm": _whole(lambda rng: f"npm_{_of(rng, _LETTERS, 36)}"),
    "pypi": _whole(lambda rng: f"pypi-AgEIcHlwaS5vcmc{_of(rng, _LETTERS + '_-', 80)}"),
    "stripe": _whole(lambda rng: f"sk_live_{_of(rng, _LETTERS, 24)}"),
    "sendgrid": _whole(lambda rng: f"SG.{_of(rng, _LETTERS, 22)}.{_of(rng, _LETTERS, 43)}"),
    "telegram": _whole(lambda rng: f"{rng.randrange(10**8, 10**9)}:AA{_of(rng, _LETTERS + '_-', 33)}"),
    "digitalocean": _whole(lambda rng: f"dop_v1_{_of(rng, _HEX, 64)}"),
    "vault": _whole(lambda rng: f"hvs.{_of(rng, _LETTERS, 24)}"),
    "jwt": _whole(_jwt),
    "private key": _pem,
    "name=value": _whole(lambda rng: _mixed(rng, 12), "DB_PASSWORD={}"),
    "json": _whole(lambda rng: _mixed(rng, 20), '{{"user": "bob", "api_key": "{}"}}'),
    "yaml": _whole(lambda rng: _mixed(rng, 16), "database:\n  host: db1\n  password: {}\n  port: 5432"),
    "bearer header": _whole(lambda rng: _mixed(rng, 32), "Authorization: Bearer {}"),
    "key header": _whole(lambda rng: _mixed(rng, 32), "-H 'X-Api-Key: {}'"),
    "url password": _whole(lambda rng: _mixed(rng, 14), "postgres://app:{}@db.internal:5432/app"),
    "curl -u": _whole(lambda rng: _mixed(rng, 12), "curl -s -u admin:{} https://example.com/api"),
    "mysql -p": _whole(lambda rng: _mixed(rng, 12), "mysql -h db1 -u root -p{} shop"),
}

PLACES = ("tool output", "command", "goal", "file", "memory", "exception", "environment")


def plants(seed: int, values: int) -> Iterator[tuple[str, Plant]]:
    """`values` secrets of each kind, each once in each place: (place, plant)."""
    rng = random.Random(seed)
    for kind, make in KINDS.items():
        for _ in range(values):
            for place in PLACES:
                text, canary = make(rng)
                yield place, Plant(kind, text, canary)


def events_of(place: str, text: str) -> list[Event]:
    """A turn in which the text stands in one place."""
    goal = f"use {text}" if place == "goal" else "do it"
    command = f"run {text}" if place == "command" else "true"
    args = {"path": "a.txt", "content": f"x\n{text}\n"} if place == "file" else {"command": command}
    output = f"line\n{text}\nmore" if place in ("tool output", "environment") else "fine"
    return [
        TurnStarted(goal=goal, cwd="/w", workspace="/s", turn=1),
        ToolStarted(call_id="c1", tool="shell", args=args, effect=Effect.EXECUTE, replayed=False),
        ToolFinished(
            call_id="c1",
            tool="shell",
            ok=True,
            output=output,
            stdout=output,
            exit_code=0,
            truncated=False,
            total_bytes=len(output),
            changes=FileChanges(),
            backup=None,
            elapsed_s=0.1,
        ),
        Notice(text=f"it failed: {text}" if place == "exception" else "all is well"),
        TurnEnded(
            outcome=Outcome.OK,
            mode=TurnMode.LEARNER,
            answer=output,
            reason="",
            cost_usd=0.0,
            saved_usd=0.0,
            model_calls=1,
            elapsed_s=1.0,
        ),
    ]


LOOK_ALIKES: tuple[Callable[[random.Random], str], ...] = (
    lambda rng: f"commit {_of(rng, _HEX, 40)}",
    lambda rng: (
        f"{_of(rng, _HEX, 8)}-{_of(rng, _HEX, 4)}-4{_of(rng, _HEX, 3)}-a{_of(rng, _HEX, 3)}-{_of(rng, _HEX, 12)}"
    ),
    lambda rng: f"sha256:{_of(rng, _HEX, 64)}",
    lambda rng: f'"integrity": "sha512-{_of(rng, _LETTERS + "+/", 86)}=="',
    lambda rng: f"data:image/png;base64,{_of(rng, _LETTERS + '+/', 200)}",
    lambda rng: f"tokens = tokenizer.encode(text)  # {rng.randrange(10**6)}",
    lambda rng: f"max_tokens={rng.randrange(10**5)} input_tokens: {rng.randrange(10**6)}",
    lambda rng: f"def login(user: str, password: str, token: str | None = None) -> int:  # {_of(rng, _HEX, 6)}",
    lambda rng: f"docker run -p {rng.randrange(1000, 9999)}:80 -u 1000:1000 nginx",
    lambda rng: f"password = os.environ['PW_{rng.randrange(99)}']",
    lambda rng: "export API_KEY=$MY_KEY TOKEN=${CI_TOKEN}",
    lambda rng: f"the password has {rng.randrange(9)} letters; reset the token, then the secret is gone",
    lambda rng: f"https://example.com:8080/a/{_of(rng, _HEX, 12)}?page={rng.randrange(99)}",
    lambda rng: f"git clone git@example.com:team/{_of(rng, string.ascii_lowercase, 8)}.git",
    lambda rng: f"-rw-r--r-- 1 bob bob {rng.randrange(10**6)} Nov 26 10:00 secret_sauce.md",
    lambda rng: f"assert token == expected_token, {rng.randrange(99)}",
    lambda rng: f"requests=={rng.randrange(3)}.{rng.randrange(30)} --hash=sha256:{_of(rng, _HEX, 64)}",
    lambda rng: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{_of(rng, _LETTERS + '+/', 43)} bob@host",
    lambda rng: f"id: {rng.randrange(10**12)} arn:aws:iam::{rng.randrange(10**11, 10**12)}:role/build",
    lambda rng: f"next_token: None page_token=None key: value{rng.randrange(9)}",
)
