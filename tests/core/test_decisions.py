"""The pure decisions: permission, budget, outcome, plan, prune."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.adapters.bash_parser import parse_bash
from llmos.core.budget import Ledger
from llmos.core.errors import BudgetError, ConfigError
from llmos.core.events import Mode, Outcome, Verdict
from llmos.core.evidence import Evidence, Outcomes
from llmos.core.learn import FinishedRun, trace_status
from llmos.core.matching import rank
from llmos.core.permission import Rule, decide, parse_rule, read_call
from llmos.core.policy import Candidate, Thresholds
from llmos.core.policy import decide as decide_plan
from llmos.core.prune import PruneRule, to_prune
from llmos.core.tool import Effect, FileChanges
from llmos.core.trace import (
    Learned,
    RunStep,
    Trace,
    TraceHeader,
    TraceStatus,
    mismatch,
    step_from_run,
    steps_from_runs,
)
from llmos.core.verify import judge

GOAL = "count the files"
HEADER = TraceHeader(
    "count-1",
    GOAL,
    TraceStatus.VERIFIED,
    "",
    {"shell": "v1"},
    Learned("2026-11-01T00:00:00+00:00", "LEARNER", "m", 0.02, 1),
)


def rule(verdict: Verdict, text: str) -> Rule:
    return parse_rule(text, verdict, "test")


class TestPermission:
    RULES = (
        rule(Verdict.ALLOW, "shell(git status*)"),
        rule(Verdict.ALLOW, "write_file(src/*)"),
        rule(Verdict.DENY, "shell(rm *)"),
        rule(Verdict.ASK, "read_file(.env)"),
    )

    @pytest.mark.parametrize(
        ("tool", "effect", "subjects", "expected"),
        [
            ("read_file", Effect.READ, ("a.txt",), Verdict.ALLOW),
            ("read_file", Effect.READ, (".env",), Verdict.ASK),
            ("write_file", Effect.WRITE, ("src/a.py",), Verdict.ALLOW),
            ("write_file", Effect.WRITE, ("a.py",), Verdict.ASK),
            ("write_file", Effect.WRITE, ("src/a.py", "b.py"), Verdict.ASK),
            ("shell", Effect.EXECUTE, ("git status -s",), Verdict.ALLOW),
            ("shell", Effect.EXECUTE, ("rm -rf x",), Verdict.DENY),
            ("shell", Effect.EXECUTE, ("ls",), Verdict.ASK),
            # A command that is denied stays so behind another one, a prefix or its full path.
            ("shell", Effect.EXECUTE, ("true; rm -rf x",), Verdict.DENY),
            ("shell", Effect.EXECUTE, ("ls && rm -rf x",), Verdict.DENY),
            ("shell", Effect.EXECUTE, ("ls | xargs rm -rf",), Verdict.DENY),
            ("shell", Effect.EXECUTE, ("echo $(rm -rf x)",), Verdict.DENY),
            ("shell", Effect.EXECUTE, ("if true\nthen rm -rf x\nfi",), Verdict.DENY),
            ("shell", Effect.EXECUTE, ("sudo -n rm -rf x",), Verdict.DENY),
            ("shell", Effect.EXECUTE, ("LC_ALL=C rm -rf x",), Verdict.DENY),
            ("shell", Effect.EXECUTE, ("/bin/rm -rf x",), Verdict.DENY),
            ("shell", Effect.EXECUTE, (" rm -rf x",), Verdict.DENY),
            ("shell", Effect.EXECUTE, ("\\rm -rf x",), Verdict.DENY),
            # A pattern over text cannot see where a command ends, so shell syntax is never allowed by one.
            ("shell", Effect.EXECUTE, ("git status; touch x",), Verdict.ASK),
            ("shell", Effect.EXECUTE, ("git status $(touch x)",), Verdict.ASK),
            ("shell", Effect.EXECUTE, ("git status > /etc/passwd",), Verdict.ASK),
            ("unheard_of", Effect.EXECUTE, (), Verdict.ASK),
        ],
    )
    def test_verdicts(self, tool: str, effect: Effect, subjects: tuple[str, ...], expected: Verdict) -> None:
        for order in itertools.permutations(self.RULES):
            assert decide(order, read_call(tool, effect, subjects, parse_bash)).verdict is expected

    @given(st.lists(st.sampled_from(list(Verdict)), min_size=1))
    def test_the_strictest_wins(self, verdicts: list[Verdict]) -> None:
        order = [Verdict.ALLOW, Verdict.ASK, Verdict.DENY]
        rules = [rule(verdict, "shell") for verdict in verdicts]
        call = read_call("shell", Effect.EXECUTE, ("ls",), parse_bash)
        assert decide(rules, call).verdict is max(verdicts, key=order.index)

    @pytest.mark.parametrize("text", ["", "shell(", "a b", "shell)x("])
    def test_a_rule_that_is_none(self, text: str) -> None:
        with pytest.raises(ConfigError, match="is not a permission rule"):
            parse_rule(text, Verdict.ALLOW, "config.yaml line 3")


class TestBudget:
    @given(st.floats(0, 10), st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1))))
    def test_what_is_reserved_never_exceeds_the_cap(self, cap: float, calls: list[tuple[float, float]]) -> None:
        ledger = Ledger(cap)
        for reserved, share in calls:
            try:
                ledger = ledger.reserve(reserved, model="m")
            except BudgetError:
                continue
            assert ledger.spent + ledger.reserved <= cap + 1e-9
            ledger = ledger.settle(reserved, reserved * share)
        assert ledger.spent <= cap + 1e-9

    def test_an_unknown_price_is_refused(self) -> None:
        with pytest.raises(BudgetError, match=r"the price of some-model is not known.*prices\.some-model"):
            Ledger(1).reserve(None, model="some-model")

    def test_a_zero_cap_still_allows_what_is_free(self) -> None:
        assert Ledger(0).reserve(0.0, model="local").reserved == 0.0


def run_step(ok: bool = True, stdout: str = "3", changes: FileChanges = FileChanges(), exit_code: int = 0) -> RunStep:
    return RunStep("shell", "v1", {"command": "ls"}, Effect.EXECUTE, (), ok, exit_code, stdout, stdout, changes)


CREATED = FileChanges(created=("a.txt",))


class TestOutcome:
    @pytest.mark.parametrize(
        ("goal", "answer", "steps", "small", "expected"),
        [
            (GOAL, "3", [run_step()], True, Outcome.OK),
            (GOAL, "3", [], False, Outcome.UNVERIFIED),
            (GOAL, "7", [run_step()], True, Outcome.UNVERIFIED),
            (GOAL, "There are 59 in main.go.", [run_step(stdout="9 ./main.go\n1,059 total")], True, Outcome.UNVERIFIED),
            (GOAL, "There are 1059 in main.go.", [run_step(stdout="9 ./main.go\n1,059 total")], True, Outcome.OK),
            (GOAL, "7, going by the names", [run_step()], False, Outcome.OK),
            (GOAL, "3", [run_step(), run_step(ok=False)], False, Outcome.FAILED),
            ("create a.txt", "Created a.txt.", [run_step()], True, Outcome.UNVERIFIED),
            ("create a.txt", "Created a.txt.", [run_step(changes=CREATED)], True, Outcome.OK),
            ("create a.txt", "Done.", [run_step(ok=False), run_step(changes=CREATED)], True, Outcome.OK),
        ],
    )
    def test_judgement(self, goal: str, answer: str, steps: list[RunStep], small: bool, expected: Outcome) -> None:
        assert judge(goal, answer, steps, small=small)[0] is expected

    @pytest.mark.parametrize(
        ("goal", "steps", "expected"),
        [
            ("create a.txt", [run_step(changes=CREATED)], TraceStatus.VERIFIED),
            ("create it again", [run_step(changes=CREATED)], TraceStatus.GUIDANCE),
            ("create a.txt", [run_step(changes=replace(CREATED, complete=False))], TraceStatus.GUIDANCE),
            ("create a.txt", [run_step(ok=False, changes=CREATED)], TraceStatus.GUIDANCE),
        ],
    )
    def test_what_a_run_is_kept_as(self, goal: str, steps: list[RunStep], expected: TraceStatus) -> None:
        from llmos.core.answer import derive

        template = derive("Created a.txt.", goal, steps)
        run = FinishedRun(goal, Outcome.OK, "", "Created a.txt.", steps, "/work")
        assert trace_status(run, template)[0] is expected
        assert trace_status(replace(run, outcome=Outcome.FAILED), template)[0] is TraceStatus.DRAFT
        assert trace_status(replace(run, healed="why"), template) == (TraceStatus.GUIDANCE, "why")

    def test_a_run_that_names_its_directory_is_not_replayable(self) -> None:
        step = replace(run_step(changes=CREATED), args={"command": "touch /work/a.txt"})
        status, why = trace_status(FinishedRun("create a.txt", Outcome.OK, "", "", [step], "/work"), None)
        assert (status, why.split(",")[0]) == (
            TraceStatus.GUIDANCE,
            "a step names the working directory by its full path",
        )


class TestMismatch:
    SAME = FileChanges(created=("a",), changed=("b",), deleted=("c",))
    RUN = run_step(stdout="", changes=SAME)
    RECORDED = step_from_run(RUN, "/work")

    def test_the_same_again(self) -> None:
        assert mismatch(self.RECORDED, self.RUN, "/work") is None

    def test_a_cache_is_neither_needed_nor_in_the_way(self) -> None:
        cache = "src/__pycache__/"
        made = replace(self.RUN, changes=FileChanges(created=("a", cache), deleted=(".pytest_cache/",)))
        recorded = step_from_run(made, "/work")
        assert (recorded.require.present, recorded.require.absent, recorded.expect.created) == ((), ("a",), ("a",))
        assert mismatch(recorded, replace(self.RUN, changes=FileChanges(created=("a",))), "/work") is None
        assert mismatch(recorded, made, "/work") is None

    def test_a_program_may_or_may_not_write_to_its_own_folder(self) -> None:
        changes = replace(self.SAME, changed=("b", ".git/", "src/__pycache__/"))
        assert mismatch(self.RECORDED, replace(self.RUN, changes=changes), "/work") is None

    @pytest.mark.parametrize(
        ("run", "words"),
        [
            (replace(RUN, ok=False, exit_code=1), "expected exit code 0, got exit code 1"),
            (
                replace(RUN, changes=replace(SAME, created=())),
                "a was created when this was learned, and was not now",
            ),
            (
                replace(RUN, changes=replace(SAME, changed=("b", "d"))),
                "d was changed now, and was not when this was learned",
            ),
            (
                replace(RUN, changes=replace(SAME, deleted=("x",))),
                "c was deleted when this was learned, and was not now",
            ),
            (replace(RUN, stdout="warning"), "expected output of the form 'empty', got 'line'"),
            (
                replace(RUN, changes=replace(SAME, complete=False)),
                "the directory is too large to check what the step changed",
            ),
            (replace(RUN, output="[stderr]\ncat: x: No such file"), "it warned: cat: x: No such file"),
        ],
    )
    def test_each_difference_is_named(self, run: RunStep, words: str) -> None:
        assert mismatch(self.RECORDED, run, "/work") == words

    def test_an_answer_made_of_nothing_is_no_answer(self) -> None:
        recorded = step_from_run(run_step(stdout="a.py\n"), "/work")
        assert mismatch(recorded, run_step(stdout=""), "/work") == "expected output of the form 'line', got 'empty'"
        assert mismatch(recorded, run_step(stdout="a.py\nb.py\n"), "/work") is None

    def test_a_step_that_failed_must_fail_again(self) -> None:
        failed = run_step(ok=False, exit_code=1, stdout="")
        recorded = step_from_run(failed, "/work")
        assert mismatch(recorded, failed, "/work") is None
        assert mismatch(recorded, run_step(stdout=""), "/work") == "expected exit code 1, got exit code 0"

    def test_the_same_warning_is_none(self) -> None:
        warned = replace(self.RUN, output="[stderr]\nSwitched to a new branch 'x'")
        recorded = step_from_run(warned, "/work")
        assert mismatch(recorded, warned, "/work") is None
        assert mismatch(recorded, self.RUN, "/work") is None

    def test_what_a_later_step_was_chosen_by_must_be_the_same(self) -> None:
        look, act = run_step(stdout="85%"), replace(self.RUN, output="")
        first, second = steps_from_runs([look, act], "/work")
        assert mismatch(first, look, "/work") is None
        other = replace(look, stdout="20%", output="20%")
        assert mismatch(first, other, "/work") == "its output is another than the one that the next step was chosen by"
        assert mismatch(second, act, "/work") is None

    def test_another_working_directory_is_no_difference(self) -> None:
        look = run_step(stdout="/work/a.txt")
        first, _ = steps_from_runs([look, self.RUN], "/work")
        assert mismatch(first, replace(look, stdout="/else/a.txt", output="/else/a.txt"), "/else") is None


CANDIDATE = Candidate(Trace(HEADER, (step_from_run(run_step(), "/work"),)), Outcomes(), True, (), ())


class TestPlan:
    def test_the_same_goal_is_replayed(self) -> None:
        plan = decide_plan(GOAL, [CANDIDATE], [], Thresholds())
        assert (plan.mode, plan.confidence, plan.trace) == (Mode.FOLLOWER, 0.96, CANDIDATE.trace)

    @pytest.mark.parametrize(
        ("candidate", "gate"),
        [
            (replace(CANDIDATE, approved=False), "origin"),
            (replace(CANDIDATE, changed_tools=("shell",)), "tools"),
            (replace(CANDIDATE, unmet=("a.txt is missing",)), "precondition"),
            (replace(CANDIDATE, outcomes=Outcomes(failures=2)), "confidence"),
            (
                replace(
                    CANDIDATE,
                    trace=replace(CANDIDATE.trace, header=replace(HEADER, status=TraceStatus.GUIDANCE, reason="r")),
                ),
                "status",
            ),
        ],
    )
    def test_a_closed_gate_is_never_outvoted(self, candidate: Candidate, gate: str) -> None:
        for successes in (0, 1000):
            many = candidate if gate == "confidence" else replace(candidate, outcomes=Outcomes(successes))
            plan = decide_plan(GOAL, [many], [], Thresholds())
            assert plan.mode is not Mode.FOLLOWER
            assert f"not replayed: {gate}:" in plan.reasons[0]

    def test_a_goal_that_points_outside_itself_is_never_replayed(self) -> None:
        assert decide_plan("count it again", [CANDIDATE], [], Thresholds()).mode is not Mode.FOLLOWER

    def test_an_unapproved_trace_does_not_even_guide(self) -> None:
        plan = decide_plan(GOAL, [replace(CANDIDATE, approved=False)], [], Thresholds())
        assert (plan.mode, plan.guidance) == (Mode.LEARNER, ())

    def test_where_no_run_of_the_goal_may_guide_a_near_one_does(self) -> None:
        near = replace(HEADER, id="near", goal="count the folders")
        draft = replace(CANDIDATE, trace=replace(CANDIDATE.trace, header=replace(HEADER, status=TraceStatus.DRAFT)))
        for candidate in (draft, replace(CANDIDATE, approved=False)):
            plan = decide_plan(GOAL, [candidate], [(near, 0.8)], Thresholds())
            assert (plan.mode, plan.confidence, plan.guidance) == (Mode.MIXED, 0.8, (near,))

    def test_a_trace_that_went_wrong_often_guides_no_more(self) -> None:
        plan = decide_plan(GOAL, [replace(CANDIDATE, outcomes=Outcomes(failures=20))], [], Thresholds())
        assert (plan.mode, plan.guidance) == (Mode.LEARNER, ())

    def test_likeness_alone_guides_and_never_replays(self) -> None:
        plan = decide_plan("count the folders", [], [(HEADER, 1.0)], Thresholds())
        assert (plan.mode, plan.guidance) == (Mode.MIXED, (HEADER,))
        assert plan.confidence < Thresholds().follower

    def test_the_better_verified_of_two_is_replayed(self) -> None:
        other = replace(
            CANDIDATE,
            trace=replace(CANDIDATE.trace, header=replace(HEADER, id="count-2")),
            outcomes=Outcomes(successes=5),
        )
        assert decide_plan(GOAL, [CANDIDATE, other], [], Thresholds()).trace is other.trace

    def test_confidence_falls_with_failures_and_comes_back(self) -> None:
        assert [round(Evidence(Outcomes(s, f)).confidence, 3) for s, f in ((0, 0), (0, 1), (0, 2), (20, 2))] == [
            0.96,
            0.923,
            0.889,
            0.936,
        ]

    @given(st.text(), st.floats(0, 1))
    def test_deciding_is_total(self, goal: str, similarity: float) -> None:
        for candidates in ([], [CANDIDATE], [replace(CANDIDATE, unmet=("x",))]):
            decide_plan(goal, candidates, [(HEADER, similarity)], Thresholds())

    def test_ranking_prefers_rare_words(self) -> None:
        headers = [
            replace(HEADER, id=f"{n}", goal=goal)
            for n, goal in enumerate(["count files", "count zebras", "move files"])
        ]
        assert [header.id for header, _ in rank("count the zebras", headers, 2)] == ["1", "0"]


def test_prune_says_why() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    old = replace(HEADER, id="old", learned=replace(HEADER.learned, when="2026-01-01T00:00:00+00:00"))
    wrong, draft = replace(HEADER, id="wrong"), replace(HEADER, id="draft", status=TraceStatus.DRAFT)
    used = replace(old, id="used")
    traces = [
        (old, Outcomes()),
        (wrong, Outcomes(1, 3)),
        (draft, Outcomes(1)),
        (used, Outcomes(4, 0, "2026-11-20T00:00:00+00:00")),
    ]
    everything = PruneRule(older_than=timedelta(days=90), failures=3, drafts=True)
    assert [(entry.header.id, entry.reason) for entry in to_prune(traces, everything, now)] == [
        ("old", "last used 325 days ago"),
        ("wrong", "3 wrong replays, 1 right"),
        ("draft", "draft"),
    ]
    assert [entry.header.id for entry in to_prune(traces, PruneRule(unused=True), now)] == ["old"]
    assert to_prune(traces, PruneRule(), now) == []
