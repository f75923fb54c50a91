"""The bar below the prompt: one line that says less where there is less room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from llmos.interfaces.printable import one_line
from llmos.interfaces.status_line import Status, status_line

BUSY = Status(
    mode="ask",
    cwd="~/work/llmos",
    model="claude-sonnet-5-5",
    payer="ANTHROPIC_API_KEY",
    cost_usd=0.0123,
    saved_usd=0.04,
    context_tokens=12_345,
    context_limit=200_000,
    to_core=3,
    to_archival=93,
    sandbox="none yet",
)


def test_it_says_all_that_it_knows_and_less_with_less_room() -> None:
    assert {width: status_line(BUSY, width) for width in (200, 120, 80, 40, 20)} == {
        200: "mode: ask · claude-sonnet-5-5, paid by ANTHROPIC_API_KEY · cost $0.0123, saved $0.0400 · "
        "context 6 % of 200k · core memory in 3, archival in 93 messages · ~/work/llmos · sandbox: none yet",
        120: "mode: ask · claude-sonnet-5-5 · cost $0.0123, saved $0.0400 · context 6 % · core in 3, archival in 93 "
        "· …/llmos",
        80: "mode: ask · claude-sonnet-5-5 · cost $0.0123, saved $0.0400 · …/llmos",
        40: "mode: ask · sonnet-5-5 · cost $0.0123",
        20: "ask · $0.0123",
    }


def test_without_a_model_it_says_what_works_all_the_same() -> None:
    assert status_line(Status(mode="ask", cwd="/srv"), 120) == (
        "mode: ask · no model: replays only · cost $0.00, saved $0.00 · core memory due, archival due · /srv"
    )


texts = st.text(max_size=40)


@given(
    st.builds(
        Status,
        mode=st.sampled_from(["read-only", "ask", "accept edits", "trusted"]),
        cwd=texts,
        model=texts,
        payer=texts,
        cost_usd=st.floats(0, 1e4),
        saved_usd=st.floats(0, 1e4),
        context_tokens=st.integers(0, 10**7),
        context_limit=st.sampled_from([0, 8_192, 200_000]),
        to_core=st.integers(0, 10),
        to_archival=st.integers(0, 100),
        sandbox=texts,
        memory_failure=texts,
        hint=st.just(""),
    ),
    st.integers(30, 250),
)
def test_it_always_fits_and_never_hides_the_mode_or_a_failure(status: Status, width: int) -> None:
    line = status_line(status, width)
    assert cell_len(line) <= width
    assert line == one_line(line)
    assert status.mode in line
    assert "memory failed" in line if status.memory_failure else True
