"""What is allowed in one session: the rules, the mode, what a person answers, and how far each yes reaches."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmos.core.errors import StoreError, ToolError
from llmos.core.events import PermissionDecided, Verdict
from llmos.core.messages import ToolCall
from llmos.core.permission import (
    Call,
    Decision,
    GrantScope,
    PermissionMode,
    Rule,
    SavedRun,
    decide,
    matches,
    only_looks,
    parse_rule,
    propose_rule,
    read_call,
    stricter,
)
from llmos.core.ports import Ask, PermissionAnswer, PermissionQuestion
from llmos.core.shell_syntax import read_writing
from llmos.core.shell_tree import ParseShell
from llmos.core.tool import Effect, ToolSpec
from llmos.core.trace import Trace
from llmos.memory.saved_permissions import SavedPermissions

if TYPE_CHECKING:
    from llmos.core.shell_writes import PathWorld, Touches

_STEP = re.compile(r"step ([1-9]\d{0,3})\b")
NO_SANDBOX_HERE = "no sandbox"
"""Who decided, where a command was denied because nothing holds it."""
_UNHELD = "no sandbox holds commands on this machine, so each needs a person's yes"


class Permits:
    """Judges calls. Nothing that a person granted overrides a verdict of deny."""

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        ask: Ask | None,
        grant_all: bool,
        mode: PermissionMode,
        saved: SavedPermissions | None,
        parse: ParseShell,
        world: PathWorld,
        cwd: Path,
        unheld: bool = False,
    ) -> None:
        """`unheld`: commands should be held inside a sandbox, and nothing here can."""
        self._mode = mode
        self._above: Permits | None = None
        self._agent = ""
        self._asking = asyncio.Lock()
        self._rules = tuple(rules)
        self._ask = ask
        self._grant_all = grant_all
        self._saved = saved
        self._parse = parse
        self._world = world
        self._cwd = cwd
        self._unheld = unheld
        self._session_rules: list[Rule] = []
        self._session_runs: set[SavedRun] = set()
        self._turn_runs: set[SavedRun] = set()

    @property
    def mode(self) -> PermissionMode:
        """How calls are judged that no rule speaks of; of a sub-agent never looser than that of the session."""
        return self._mode if self._above is None else stricter(self._mode, self._above.mode)

    @mode.setter
    def mode(self, mode: PermissionMode) -> None:
        self._mode = mode

    def child(self, agent: str, strictest: PermissionMode | None = None) -> Permits:
        """The same permissions for a sub-goal or sub-agent, `strictest` at most; its questions bear its name.

        What a person grants for the session holds for all; a yes for a whole replay is for the one who asked.
        """
        made = copy.copy(self)
        made._above, made._agent = self, agent
        made._mode = strictest or PermissionMode.TRUSTED
        made._turn_runs = set()
        return made

    async def _put(self, question: PermissionQuestion, moot: Callable[[], str] = str) -> PermissionAnswer:
        """Ask the person; one question after the other, whoever has them. Raises ToolError where it is moot by then."""
        assert self._ask is not None
        async with self._asking:
            if why := moot():
                raise ToolError(why)
            return await self._ask(replace(question, agent=self._agent))

    @property
    def granted(self) -> tuple[Rule, ...]:
        """What was allowed for this session."""
        return tuple(self._session_rules)

    def take_back(self, rule: str) -> bool:
        """Forget what was allowed for this session under this rule; whether there was such a rule."""
        left = [granted for granted in self._session_rules if granted.text != rule]
        found = len(left) < len(self._session_rules)
        self._session_rules[:] = left  # shared with those who work for this session
        return found

    def begin_turn(self) -> None:
        self._turn_runs.clear()

    def read(self, spec: ToolSpec, subjects: Sequence[str], *, replayed: bool = False) -> Call:
        """The call as the verdict sees it."""
        return read_call(spec.name, spec.effect, subjects, self._parse, replayed=replayed)

    def only_looks(self, spec: ToolSpec, subjects: Sequence[str]) -> bool:
        """Whether a call is known to do no more than look."""
        return only_looks(self.read(spec, subjects), self._world)

    def touches(self, spec: ToolSpec, subjects: Sequence[str]) -> Touches | None:
        """All that a command can change or look at; None where it cannot be told."""
        from llmos.core.shell_writes import touches  # a replay need not import it

        if spec.effect is not Effect.EXECUTE or len(subjects) != 1:
            return None
        read = read_writing(subjects[0], self._parse)
        return touches(read.commands, read.outputs, self._world) if read is not None else None

    def decide(self, call: Call) -> Decision:
        """What floor, rules and mode say of a call, before anybody is asked. Raises StoreError."""
        saved = self._saved.rules(self._cwd) if self._saved is not None else ()
        return decide((*self._rules, *saved), call, mode=self.mode, world=self._world)

    async def judge(
        self,
        call: ToolCall,
        spec: ToolSpec,
        subjects: Sequence[str],
        run: SavedRun | None,
        moot: Callable[[], str] = str,
    ) -> PermissionDecided:
        """The final verdict on a call: ALLOW or DENY. `run` is what it is replayed from.

        `moot` says why it would not be run in any case; then nobody is asked about it. Raises ToolError with that.
        """

        def decided(verdict: Verdict, by: str, reason: str) -> PermissionDecided:
            return PermissionDecided(call_id=call.id, tool=spec.name, verdict=verdict, by=by, reason=reason)

        try:
            facts = self.read(spec, subjects, replayed=run is not None)
            decision = self.decide(facts)
            if self._unheld and spec.effect is Effect.EXECUTE and decision.verdict is not Verdict.DENY:
                return decided(*await self._judge_unheld(call, spec, replayed=run is not None))
            if decision.verdict is not Verdict.ASK:
                return decided(decision.verdict, decision.by, decision.reason)
            if granted := self._granted(decision, facts, run):
                return decided(Verdict.ALLOW, *granted)
            if self._ask is None:
                flag = "--yes does not cover it" if self._grant_all else "--yes was not given"
                reason = f"{decision.reason}{self._unsigned(facts)}; there is nobody to ask, and {flag}"
                return decided(Verdict.DENY, "nobody to ask", reason)
            decision = replace(decision, reason=f"{decision.reason}{self._unsigned(facts)}")
            question = self._question(call, spec, subjects, decision, run)
            answer = await self._put(question, moot)
            if not answer.allow:
                return decided(Verdict.DENY, "person", answer.reason or "the person said no")
            return decided(Verdict.ALLOW, "person", self._keep(question, answer, run))
        except StoreError as error:
            return decided(Verdict.DENY, "rule", f"what is allowed cannot be read or kept: {error}")

    async def judge_run(self, trace: Trace, reason: str) -> PermissionDecided | None:
        """A person's answer to whether a saved run is replayed this time; None where there is nobody to ask.

        `reason` begins with the step that it is about. Nothing that was said before stands for this yes.
        """
        if self._ask is None:
            return None
        found = _STEP.match(reason)
        step = trace.steps[min(int(found[1]), len(trace.steps)) - 1] if found else trace.steps[0]
        call = ToolCall("saved-run", step.tool, step.args)
        why = f"the saved run {trace.header.id} rests on more than the goal and this folder: {reason}"
        answer = await self._put(PermissionQuestion(call, step.effect.value, why, replayed=True))
        verdict = Verdict.ALLOW if answer.allow else Verdict.DENY
        said = "this replay is allowed" if answer.allow else answer.reason or "the person said no to this replay"
        return PermissionDecided(call_id=call.id, tool=step.tool, verdict=verdict, by="person", reason=said)

    async def _judge_unheld(self, call: ToolCall, spec: ToolSpec, *, replayed: bool) -> tuple[Verdict, str, str]:
        """A command that nothing holds runs on a person's yes to this very command, and on nothing else."""
        if self._ask is None:
            reason = f"{_UNHELD}; there is nobody to ask, and only --unsafe-no-sandbox covers it"
            return Verdict.DENY, NO_SANDBOX_HERE, reason
        question = PermissionQuestion(
            call, spec.effect.value, _UNHELD, replayed, rule="", scopes=(GrantScope.ONCE,), run=""
        )
        answer = await self._put(question)
        if answer.allow:
            return Verdict.ALLOW, "person", "allowed"
        return Verdict.DENY, "person", answer.reason or "the person said no"

    def _granted(self, decision: Decision, call: Call, run: SavedRun | None) -> tuple[str, str] | None:
        """Who allowed before what would now be asked, and the words for it; None where nobody did.

        Nothing that was said before passes the floor; a replay that destroys needs a yes of this turn.
        """
        if decision.by == "floor":
            return None
        if self._grant_all:
            return "--yes", "granted for this run"
        if run is not None and run in self._turn_runs:
            return "person", "allowed for this run"
        if decision.by == "replay":
            return None
        if any(matches(rule, call) for rule in self._session_rules):
            return "person", "allowed for this session"
        if run is not None and run in self._session_runs:
            return "person", "this saved run is allowed for this session"
        if run is not None and decision.by != "rule" and self._saved is not None and self._saved.covers(run, self._cwd):
            return "person", "this saved run is always allowed here"
        return None

    def _unsigned(self, call: Call) -> str:
        """That a rule would allow the call, and nobody knows who saved it; empty where there is none."""
        rules = self._saved.unconfirmed_rules(self._cwd) if self._saved is not None else ()
        found = next((rule for rule in rules if matches(rule, call)), None)
        if found is None:
            return ""
        return f"; {found.text} ({found.origin}) is not signed with your key, see `llmos permissions list`"

    def _question(
        self, call: ToolCall, spec: ToolSpec, subjects: Sequence[str], decision: Decision, run: SavedRun | None
    ) -> PermissionQuestion:
        lasting = decision.by not in ("floor", "replay")
        rule = propose_rule(spec.name, spec.effect, subjects) if lasting else ""
        scopes = [GrantScope.ONCE]
        if lasting and (rule or run is not None):
            scopes.append(GrantScope.SESSION)
            # A rule that asks would ask again: what is saved as allowed is weaker than it.
            if self._saved is not None and decision.by != "rule":
                scopes.append(GrantScope.ALWAYS)
        return PermissionQuestion(
            call=call,
            effect=spec.effect.value,
            reason=decision.reason,
            replayed=run is not None,
            rule=rule,
            scopes=tuple(scopes),
            run=run.trace if run is not None and decision.by != "floor" else "",
        )

    def _keep(self, question: PermissionQuestion, answer: PermissionAnswer, run: SavedRun | None) -> str:
        """Keep the yes as far as it reaches; the words for it. Raises StoreError."""
        scope = answer.scope if answer.scope in question.scopes else question.scopes[-1]
        if answer.whole_run and run is not None and question.run:
            return self._keep_run(run, scope)
        if scope is GrantScope.ONCE or not question.rule:
            return "allowed"
        if scope is GrantScope.ALWAYS and self._saved is not None:
            saved = self._saved.add_rule(question.rule, self._cwd)
            return f"always allowed here: {saved.rule}"
        self._session_rules.append(parse_rule(question.rule, Verdict.ALLOW, "this session"))
        return f"allowed for this session: {question.rule}"

    def _keep_run(self, run: SavedRun, scope: GrantScope) -> str:
        self._turn_runs.add(run)
        if scope is GrantScope.ALWAYS and self._saved is not None:
            self._saved.add_run(run, self._cwd)
            return "this saved run is always allowed here"
        if scope is GrantScope.SESSION:
            self._session_runs.add(run)
            return "this saved run is allowed for this session"
        return "allowed for this run"
