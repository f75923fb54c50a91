"""Shell commands: every character has a quoting and a role, and a value is put in so that nothing else changes."""

import shlex
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.shell_edit import encode, substitute
from llmos.core.shell_roles import effects, roles
from llmos.core.shell_words import NotParsed, Quote, parse


def words(command: str) -> list[str]:
    return [word.value for part in parse(command).commands for word in part.words]


def roled(command: str) -> list[tuple[str, str]]:
    return [(item.word.value, item.role.value) for item in roles(parse(command))]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ls -l 'a b' \"c d\" e\\ f", ["ls", "-l", "a b", "c d", "e f"]),
        ("a && b || c; d | e & f", ["a", "b", "c", "d", "e", "f"]),
        ("find . -name '*.txt' -exec rm {} \\;", ["find", ".", "-name", "*.txt", "-exec", "rm", "{}", ";"]),
        ("cat <in >out 2>&1", ["cat"]),
        ("echo $(ls /x) `pwd`", ["ls", "/x", "pwd", "echo", "$(ls /x)", "`pwd`"]),
        ("diff <(sort a) <(sort b)", ["sort", "a", "sort", "b", "diff", ")", ")"]),
        ('for f in a b; do echo "$f"; done', ["f", "a", "b", "echo", "$f"]),
        ("echo a # rest", ["echo", "a"]),
        ("X=1 make", ["X=1", "make"]),
        ("echo ''", ["echo", ""]),
        ("if [ -f a ]; then rm a; fi", ["[", "-f", "a", "]", "rm", "a"]),
    ],
)
def test_words(command: str, expected: list[str]) -> None:
    assert words(command) == expected


@pytest.mark.parametrize(
    "command",
    [
        "echo 'open", 'echo "open', "echo `open", "echo $(open", "echo \\", "ls >", "f() { ls; }", "ls !(a)", "a=(1 2)",
        "echo $'x'", "case $x in a) ls;; esac", "((i++))", "cat <<EOF\nnever closed", "cat <<EOF\n$(rm x)\nEOF",
        "(" * 50 + "ls" + ")" * 50, "ls " * 9_000, ")", "ls )", "echo `a \\` b`",
    ],
)  # fmt: skip
def test_what_is_not_certain_is_not_parsed(command: str) -> None:
    with pytest.raises(NotParsed):
        parse(command)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("head -n10 a", [("head", "name"), ("-n10", "option"), ("a", "argument")]),
        ("sed 's/a/b/' f", [("sed", "name"), ("s/a/b/", "code"), ("f", "argument")]),
        ("sed -e s/a/b/ f", [("sed", "name"), ("-e", "option"), ("s/a/b/", "code"), ("f", "argument")]),
        ("awk '{print $1}' f", [("awk", "name"), ("{print $1}", "code"), ("f", "argument")]),
        ("grep -r x d", [("grep", "name"), ("-r", "option"), ("x", "regex"), ("d", "argument")]),
        ("grep -F x d", [("grep", "name"), ("-F", "option"), ("x", "argument"), ("d", "argument")]),
        ("python3 -c 'import os' a", [("python3", "name"), ("-c", "option"), ("import os", "code"), ("a", "argument")]),
        ("bash -c 'rm x'", [("bash", "name"), ("-c", "option"), ("rm x", "code")]),
        ("sudo rm a", [("sudo", "name"), ("rm", "name"), ("a", "argument")]),
        ("find d -name x", [("find", "name"), ("d", "argument"), ("-name", "option"), ("x", "pattern")]),
        ("find . -exec mv {} d \\;", [
            ("find", "name"), (".", "argument"), ("-exec", "option"), ("mv", "name"), ("{}", "argument"),
            ("d", "argument"), (";", "option"),
        ]),
        ("git commit -m 'a b'", [("git", "name"), ("commit", "name"), ("-m", "option"), ("a b", "argument")]),
        ("echo a > b", [("echo", "name"), ("a", "argument"), ("b", "argument")]),
        ("ssh h 'rm x'", [("ssh", "name"), ("h", "argument"), ("rm x", "code")]),
        ("tr a b", [("tr", "name"), ("a", "code"), ("b", "code")]),
    ],
)  # fmt: skip
def test_roles(command: str, expected: list[tuple[str, str]]) -> None:
    assert roled(command) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ls -l", set()), ("rm a", {"delete"}), ("find . -delete", {"delete"}), ("find . -exec rm {} +", {"delete"}),
        ("sudo mv a b", {"move"}), ("echo a > b", {"write"}), ("ls 2>/dev/null", set()), ("sed -i s/a/b/ f", {"edit"}),
        ("bash -c 'rm x'", {"delete"}), ("find . | xargs chmod 644", {"permission"}), ("git clean -f", {"delete"}),
    ],
)  # fmt: skip
def test_what_a_command_changes(command: str, expected: set[str]) -> None:
    assert effects(parse(command)) == expected


PIECE = st.text(
    st.sampled_from(string.ascii_letters + string.digits + " $`\"'\\*?[]{}()<>|&;#~!=\n\tä-./"), max_size=12
)


@given(st.lists(PIECE.filter(lambda text: "\n" not in text), min_size=1, max_size=4))
def test_quoted_words_come_back(pieces: list[str]) -> None:
    command = "cmd " + " ".join(shlex.quote(piece) for piece in pieces)
    assert words(command) == ["cmd", *pieces]


@pytest.mark.parametrize("command", ["cp OLD x", "cp 'OLD' x", 'cp "OLD" x', "cp pre-OLD.txt x", 'cp "$d/OLD" x'])
@given(value=PIECE)
def test_a_value_put_in_is_that_value_and_nothing_else_changes(command: str, value: str) -> None:
    script = parse(command)
    word = script.commands[0].words[1]
    at = word.value.index("OLD")
    span = (word.spans[at][0], word.spans[at + 2][1])
    quotes = word.quotes[at : at + 3]
    written = encode(value, quotes, whole=word.value == "OLD", active_glob=False, tilde=False)
    if written is None:
        return
    text = substitute(script, {span: (written, value)})
    if text is not None:
        after = parse(text)
        assert [w.value for w in after.commands[0].words] == ["cp", word.value.replace("OLD", value), "x"]
        assert after.shape == script.shape


@pytest.mark.parametrize(
    ("value", "quote"),
    [
        ("a'b", Quote.SINGLE), ("$HOME", Quote.SINGLE), ("a\nb", Quote.NONE), ("x$(rm y)", Quote.DOUBLE),
        ("x$(rm y)", Quote.NONE), ("a\nb", Quote.BODY), ("", Quote.NONE),
    ],
)  # fmt: skip
def test_what_quotes_cannot_hold_is_not_written(value: str, quote: Quote) -> None:
    assert encode(value, (quote,), whole=True, active_glob=False, tilde=False) is None


def test_a_substitution_that_changes_the_structure_is_none() -> None:
    script = parse("cp OLD x")
    assert substitute(script, {(3, 6): ("a b", "a b")}) is None
    assert substitute(script, {(3, 6): ("a;b", "a;b")}) is None
    assert substitute(script, {(3, 6): ("'open", "'open")}) is None
    assert substitute(script, {(3, 6): ("'a b'", "a b")}) == "cp 'a b' x"


def test_another_joining_of_the_same_words_and_a_value_that_reads_otherwise_are_none_too() -> None:
    assert substitute(parse("echo OLD"), {(5, 8): ("new &", "new")}) is None
    assert substitute(parse("echo OLD"), {(5, 8): ("new\\ er", "new  er")}) is None
