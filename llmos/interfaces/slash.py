"""The slash commands of the prompt as a table: what a command is, what it is given, and how one is found.

Adding a command is one entry in `slash_table.COMMANDS`. Whatever it does is also a command of the command line, through
a function that both call (`actions_*.py`), or because it hands its words to the command line (`slash_words.py`).
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TypeAlias

from llmos.app import App
from llmos.core.dataclass import dataclass
from llmos.core.errors import UsageError
from llmos.core.events import Event, PlanMade
from llmos.interfaces.dispatcher import Dispatcher
from llmos.interfaces.printable import one_line
from llmos.interfaces.render import Renderer

_NAME = re.compile(r"/[A-Za-z?_-]*\Z")


@dataclass(slots=True)
class SlashState:
    """What commands leave behind for the session at the prompt."""

    leaving: bool = False
    last_plan: PlanMade | None = None

    def take(self, event: Event) -> None:
        """Remember what a command may be asked about later."""
        if isinstance(event, PlanMade):
            self.last_plan = event


@dataclass(frozen=True, slots=True)
class SlashContext:
    """What a command is given. `say` prints lines, `ask_line` asks the person for one line (EOFError: none came)."""

    app: App
    dispatcher: Dispatcher
    renderer: Renderer
    environ: Mapping[str, str]
    say: Callable[[str], None]
    ask_line: Callable[[], Awaitable[str]]
    width: Callable[[], int]
    """Columns that a line may have."""
    state: SlashState = field(default_factory=SlashState)
    arguments: str = ""
    """What was typed after the name of the command."""

    def words(self) -> list[str]:
        """The arguments as words, quoted as in a shell. Raises UsageError."""
        try:
            return shlex.split(self.arguments)
        except ValueError as error:
            raise UsageError(f"the words after the command cannot be told apart: {str(error).lower()}") from None

    def with_arguments(self, arguments: str) -> SlashContext:
        return replace(self, arguments=arguments)


Offers: TypeAlias = Iterable[tuple[str, str]]
"""What may stand at a place: the text, and what it is."""


def no_offers(_: App, __: str) -> Offers:
    """Completes nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One command. `arguments` as the help shows them; `run` raises LlmosError, and may be cancelled at any await."""

    name: str
    arguments: str
    help: str
    run: Callable[[SlashContext], Awaitable[None]]
    aliases: tuple[str, ...] = ()
    offer: Callable[[App, str], Offers] = no_offers
    """What completes the arguments, of which the text so far is given."""

    takes_terminal: bool = False
    """Whether it reads from the terminal by itself, so that the keys that act during work must not be listened to."""

    @property
    def usage(self) -> str:
        return f"{self.name} {self.arguments}".rstrip()


def command_of(text: str) -> str | None:
    """The first word when it looks like a command; a path such as /etc/hosts begins a goal."""
    word = text.split(maxsplit=1)[0]
    return word if _NAME.match(word) else None


def find_command(name: str, table: Sequence[SlashCommand]) -> SlashCommand:
    """The command of that name or alias. Raises UsageError, with the nearest name."""
    by_name = {known: command for command in table for known in (command.name, *command.aliases)}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name, [known for known in by_name if len(known) > 2], 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else "/help shows the commands"
    raise UsageError(f"there is no command {one_line(name, 40)}; {hint}")


def is_known(text: str, table: Sequence[SlashCommand]) -> bool:
    """Whether a command of the table was typed, and not words that begin with a stroke."""
    name = text.strip().partition(" ")[0]
    return any(name in (command.name, *command.aliases) for command in table)


def takes_terminal(text: str, table: Sequence[SlashCommand]) -> bool:
    """Whether the command that was typed reads from the terminal by itself."""
    name = text.strip().partition(" ")[0]
    return any(command.takes_terminal for command in table if name in (command.name, *command.aliases))


async def run_slash(context: SlashContext, text: str, table: Sequence[SlashCommand]) -> None:
    """Run what was typed. Raises LlmosError."""
    name, _, arguments = text.strip().partition(" ")
    await find_command(name, table).run(context.with_arguments(arguments.strip()))
