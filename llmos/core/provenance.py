"""Where the steps of a run come from: what was asked and what the model made of it, or what others wrote. Pure.

A replay asks nobody, so a run in which somebody else's text became a command is replayed only after a person's yes.
Every run reads something; were that enough, nothing would ever be replayed. So a step is held to rest on foreign text
only where it may do more than look, and one of its commands, a place on the network, or a whole line that it writes
stands in what the run was shown, and neither in the goal nor in what the run had done before. Names and numbers that
an output gave are data: a replay is held to that very output. Lexical on purpose: what a model puts in other words is
not found (docs/decisions/0024-provenance.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from llmos.core.dataclass import dataclass
from llmos.core.trace import RunStep

MOST_REASONS = 5
_FAMILIES = frozenset(
    """git svn hg docker podman kubectl apt apt-get yum dnf brew pacman npm npx yarn pnpm pip pip3 cargo go gem ip conda
    uv poetry systemctl helm aws gcloud az gh python python3 node bash sh""".split()
)
"""Programs of which the first operand says nothing yet: `git add` stands in what every `git status` prints."""
_LONGEST = 400_000
_SHOWN = 60
_LEAST_LINE = 12
# Texts, compiled when they are first asked for: a replay needs none of them, and would wait for it.
_START = r"[\n;|&(){}`'\"]|\$\("
_WRAPPERS = frozenset("sudo env nice nohup time exec command xargs timeout then do else".split())
_ASSIGNMENT = r"[A-Za-z_]\w*=\S*"
_PLAIN = r"[`'\"()<>;|&\s]+"
_IN_WORD = r"[\w/$-]"
_PLACE = r"\b(?:[a-z][a-z+]+://[^\s'\"<>|;&)]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+(?::\S*)?|\d{1,3}(?:\.\d{1,3}){3}\b)"
_NETWORK = (
    r"\b(?:https?|ftps?|sftp|ssh|wss?|git|rsync|rtmp|ldaps?|smb)://|/dev/(?:tcp|udp)/"
    r"|(?:^|[;|&({`'\"\n]|\b(?:sudo|env|time|nice|xargs|then|do|else)\s)\s*(?:\w+=\S*\s+)*(?:/\S*/)?"
    r"(?:curl|wget|ssh|scp|sftp|rsync|nc|ncat|netcat|socat|telnet|ftp|dig|nslookup|host|ping|traceroute|whois|aria2c|"
    r"https?|xh|lynx|w3m|gh|aws|gcloud|az|kubectl|helm|terraform)(?=\s)"
    r"|\bgit\b[^|;&\n]*\s(?:push|pull|fetch|clone|ls-remote|submodule|remote\s+update)\b"
    r"|\b(?:pip3?|uv|pipx|poetry|conda|npm|pnpm|yarn|bun|gem|cargo|go|apt|apt-get|dnf|yum|brew|apk|pacman)\s[^|;&\n]*?"
    r"\b(?:install|add|update|upgrade|download|publish|get|ci|sync|fetch)\b|\bdocker\s+(?:pull|push|login|build|run)\b"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A text that neither the person nor the model wrote, and where it is from, in words."""

    name: str
    text: str
    path: str = ""
    """The one file that the text is of, relative to the working directory; empty where it is of none, or of more."""


def uses_network(command: str) -> bool:
    """Whether a command names a program or a place of the network."""
    return re.search(_NETWORK, command) is not None


def reasons(goal: str, steps: Sequence[RunStep], shown: Sequence[Source] = ()) -> tuple[str, ...]:
    """Why a person must say yes before this run is replayed, one sentence each; empty where nobody need be asked."""
    found: list[str] = []
    known = _plain(goal)
    sources = list(shown)
    for number, step in enumerate(steps, start=1):
        found += [f"step {number} {what}" for what in step.reached]
        if not step.looks:
            found += [f"step {number}: {what}" for what in _foreign(step, sources, known)]
        if not found:
            known += "".join(f" {_plain(text)} " for text in _texts(step))
        sources.append(_source_of(number, step))
    return tuple(found[:MOST_REASONS])


def _source_of(number: int, step: RunStep) -> Source:
    path = step.args.get("path")
    one = path if isinstance(path, str) and step.reads == (path,) else ""
    return Source(f"what step {number} ({step.tool}{f' {one}' if one else ''}) gave", step.output, one)


def _foreign(step: RunStep, sources: Sequence[Source], known: str) -> Iterator[str]:
    """What of this step stands in a source and not in what is known, once for each source."""
    target = step.args.get("path")
    phrases = list(dict.fromkeys(_phrases(step)))
    lines = list(dict.fromkeys(_lines(step)))
    for source in sources:
        text = _plain(source.text[:_LONGEST])
        own = source.path and source.path == target
        for phrase in (*phrases, *(() if own else lines)):
            if _stands(phrase, text) and not _stands(phrase, known):
                short = phrase if len(phrase) <= _SHOWN else f"{phrase[:_SHOWN]}…"
                yield f"{short!r} stands in {source.name}, and not in the goal"
                break


def _phrases(step: RunStep) -> Iterator[str]:
    """The beginnings of the commands of a step, and the places on the network that it names."""
    command = step.args.get("command")
    if isinstance(command, str):
        for piece in re.split(_START, command):
            words = [word for word in piece.split() if not re.fullmatch(_ASSIGNMENT, word)]
            while words and words[0] in _WRAPPERS:
                words = words[1:]
            if words:
                yield _plain(" ".join(words[: 3 if words[0] in _FAMILIES else 2])).strip()
    for text in _texts(step):
        yield from (_plain(found).strip() for found in re.findall(_PLACE, text))


def _lines(step: RunStep) -> Iterator[str]:
    """The lines of more than a word that a file tool writes."""
    if "command" in step.args:
        return
    for name, text in step.args.items():
        if name != "path" and isinstance(text, str):
            for line in text.splitlines():
                if len(line.strip()) >= _LEAST_LINE and " " in line.strip():
                    yield _plain(line).strip()


def _texts(step: RunStep) -> Iterable[str]:
    return [text for text in step.args.values() if isinstance(text, str)]


def _plain(text: str) -> str:
    """The words of a text with one space between them: quotes, brackets and line ends say nothing of who wrote it."""
    return re.sub(_PLAIN, " ", f" {text} ").replace(" ./", " ")


def _stands(phrase: str, text: str) -> bool:
    """Whether the words stand in the text as whole words, one after the other."""
    at = text.find(phrase) if phrase else -1
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(phrase) : at + len(phrase) + 1]
        if not (re.match(_IN_WORD, before) or re.match(_IN_WORD, after)):
            return True
        at = text.find(phrase, at + 1)
    return False
