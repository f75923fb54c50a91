"""Values in free text: which there are, of what kind, and where they stand."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.literal_forms import forms, strange_text
from llmos.core.literals import Kind, Literal, tokens_of
from llmos.core.wording import analyse


def values(goal: str) -> list[tuple[str, str]]:
    return [(token.kind.value, token.text) for token in tokens_of(goal) if isinstance(token, Literal)]


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("Create a Python file called utils.py.", [("file", "utils.py")]),
        (
            "copy a.py, b.py and c.py to /tmp/x",
            [("file", "a.py"), ("file", "b.py"), ("file", "c.py"), ("path", "/tmp/x")],
        ),
        ("list files in ~/Documents/", [("path", "~/Documents/")]),
        ("find *.txt files", [("extension", "*.txt")]),
        ("find files ending in .tar.gz", [("extension", ".tar.gz")]),
        ("find all PDF files", [("extension", "PDF")]),
        ("find files with extension conf", [("extension", "conf")]),
        ("find all MP3s in /home", [("extension", "MP3"), ("path", "/home")]),
        ("find files matching *foo*", [("glob", "*foo*")]),
        ("files larger than 20MB", [("number", "20")]),
        ("show the 3rd line", [("number", "3")]),
        ('search for "two words" in a.txt', [("text", "two words"), ("file", "a.txt")]),
        ("search for “two words” in a.txt", [("text", "two words"), ("file", "a.txt")]),
        ("search for ‘it’ in a.txt", [("name", "it"), ("file", "a.txt")]),
        ("directories named `build'", [("name", "build")]),
        ("open https://example.org/a?b=c", [("url", "https://example.org/a?b=c")]),
        ("files owned by user root", [("user", "root")]),
        ("files of group staff", [("name", "staff")]),
        ("check out branch feature-1", [("branch", "feature-1")]),
        ("install package requests", [("package", "requests")]),
        ("connect to host alpha", [("host", "alpha")]),
        ("log in as me@example.org", [("host", "me@example.org")]),
        ("what listens on port 8080", [("port", "8080")]),
        ("files newer than 2024-03-01", [("date", "2024-03-01")]),
        ("print $HOME and ${PATH}", [("variable", "$HOME"), ("variable", "${PATH}")]),
        ("show the folder main-site", [("name", "main-site")]),
        ("files in user1's home directory", [("name", "user1")]),
        ("is there a file?", []),
        ("list files/directories and/or links", []),
        ("don't touch it's and the users' things", []),
        ("delete the directory tree of each user in the group", []),
    ],
)
def test_values_and_their_kinds(goal: str, expected: list[tuple[str, str]]) -> None:
    assert values(goal) == expected


def test_two_pieces_that_touch_are_one_value_that_nothing_is_made_of() -> None:
    assert values('list /home/me/"$d"') == [("text", '/home/me/"$d"')]


def test_spans_count_characters_of_the_goal_as_given() -> None:
    goal = "Copy “a b.txt” to Ünïcode-1/x.txt, now"
    assert [(goal[t.start : t.end], t.quoted) for t in tokens_of(goal) if isinstance(t, Literal)] == [
        ("“a b.txt”", True),
        ("Ünïcode-1/x.txt", False),
    ]


def test_a_literal_keeps_its_form_of_letters() -> None:
    # Two forms of one letter are two file names on Linux.
    assert values("count cafe\u0301.txt") == [("file", "cafe\u0301.txt")]
    assert values("count caf\u00e9.txt") == [("file", "caf\u00e9.txt")]


@pytest.mark.parametrize(
    "goal",
    [
        "count \u0441.txt",  # a Cyrillic letter that looks like c
        "count a\u0441t.txt",
        "delete \u202ea.txt",  # reverses what follows on screen
        "delete a\u200b.txt",
        "delete \uff41.txt",  # a full-width letter
        "delete \x07a.txt",
    ],
)
def test_letters_that_are_not_what_they_look_like(goal: str) -> None:
    assert strange_text(goal) != ""


@pytest.mark.parametrize(
    "goal", ["count файл.txt", "compte les lignes de été.txt", "ספור שורות", "数える a.txt", "a – “b”"]
)
def test_other_scripts_are_not_strange(goal: str) -> None:
    assert strange_text(goal) == ""


@given(st.text(max_size=200))
def test_any_text_has_tokens_in_order_within_it(goal: str) -> None:
    tokens = tokens_of(goal)
    assert all(0 <= t.start <= t.end <= len(goal) for t in tokens)
    assert [t.start for t in tokens] == sorted(t.start for t in tokens)
    assert all(t.text in goal for t in tokens if isinstance(t, Literal))
    analyse(goal)


@given(st.from_regex(r"[a-z]{1,8}\.[a-z]{2,3}", fullmatch=True))
def test_the_first_form_of_a_file_is_its_name(name: str) -> None:
    (literal,) = [t for t in tokens_of(f"show {name}") if isinstance(t, Literal)]
    assert forms(literal)["text"] == name


def test_forms_of_an_extension_do_not_depend_on_how_it_is_written() -> None:
    texts = ("*.txt", ".txt", "txt")
    found = [forms(Literal(Kind.EXTENSION, text, 0, 0)) for text in texts]
    assert found == [{"glob": "*.txt", "dotted": ".txt", "bare": "txt"}] * 3


@pytest.mark.parametrize(
    "goal",
    [
        "a.txt b.txt /c 'd' 7",
        " ".join(f"f{i}.txt" for i in range(100)),
        "find " + "very " * 10_000 + "long.txt",
        "\u05de\u05d7\u05e7 \u05d0\u05ea a.txt",
        '"' * 5_000,
        "'" * 3_000 + "a",
        "(" * 5_000,
        "/" * 5_000,
        "*" * 5_000,
        ", ," * 3_000,
        "a-" * 5_000,
    ],
    ids=["only values", "100 values", "10000 words", "right to left", "quotes", "ticks", "brackets", "slashes",
         "stars", "commas", "hyphens"],
)  # fmt: skip
def test_hostile_goals_end_soon(goal: str) -> None:
    started = time.thread_time()
    analyse(goal)
    assert time.thread_time() - started < 2.0
