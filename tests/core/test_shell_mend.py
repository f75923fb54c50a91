"""Slips in a command are mended in its text; what is no slip stays to the letter."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.shell_mend import BUILTINS, mended, unrunnable

SLIPS = [
    ("grep 'cat|dog' pets", "grep -E 'cat|dog' pets"),
    (r"grep -E 'cat\|dog' pets", "grep -E 'cat|dog' pets"),
    ("grep '[0-9]{3}' pets", "grep -E '[0-9]{3}' pets"),
    ('grep "a.*?b" pets', 'grep -P "a.*?b" pets'),
    ('grep -E "a(?=b)" pets', 'grep -P "a(?=b)" pets'),
    ("grep -c '10.0.0.7' hits", "grep -wF -c '10.0.0.7' hits"),
    (r"grep -oE '\d{4}' pets", "grep -oE '[0-9]{4}' pets"),
    (r"grep -E '[\d.]+' pets", "grep -E '[0-9.]+' pets"),
    ("grep '[x]' list", r"grep '\[x\]' list"),
    ("sed -i '/[ERROR]/d' log", r"sed -i '/\[ERROR\]/d' log"),
    ("grep -c 'cat' pets | grep dog", "grep 'cat' pets | grep -c dog"),
    ("grep -c 'cat' pets | wc -l", "grep 'cat' pets | wc -l"),
    ("grep 'cat'", "grep -r 'cat'"),
    ("grep 'cat' pets/", "grep -r 'cat' pets/"),
    ("grep -c cat old.gz", "zgrep -c cat old.gz"),
    ("cat old.gz | head -n 2", "zcat old.gz | head -n 2"),
    ("wc -l old.gz", "zcat old.gz | wc -l"),
    ("sed -i '' 's/a/b/' f", "sed -i 's/a/b/' f"),
    ("sed 's/[0-9]+/N/' f", "sed -E 's/[0-9]+/N/' f"),
    ('awk "{print $2}" f', "awk '{print $2}' f"),
    ("awk '$2 == Rome {print $1}' f", "awk '$2 == \"Rome\" {print $1}' f"),
    ("awk '$2 > 3 {print $1}' t.csv", "awk -F, '$2 > 3 {print $1}' t.csv"),
    ("tail -n +2 t.csv | awk '{s+=$2} END {print s}'", "tail -n +2 t.csv | awk -F, '{s+=$2} END {print s}'"),
    ("cut -f2 t.csv", "cut -d, -f2 t.csv"),
    ("sort -k2 -n t.csv", "sort -t, -k2 -n t.csv"),
    ("cut -f2 t.psv", "cut -d'|' -f2 t.psv"),
    ("cut -d ', ' -f2 t", "cut -d ',' -f2 t"),
    (r"cut -d'\t' -f2 t", "cut -d\"$(printf '\\t')\" -f2 t"),
    ("du -h | sort -rn", "du -h | sort -rh"),
    ("du -sh */", "du -sh */ | sort -rh"),
    ("du -sb a b", "du -sb a b | sort -rn"),
    ("uniq -c names", "sort names | uniq -c"),
    ("cut -d: -f1 f | uniq -c", "cut -d: -f1 f | sort | uniq -c"),
    ("comm -12 a b", "comm -12 <(sort a) <(sort b)"),
    ("wc -l *.md | sort -n | tail -n 1", "wc -l *.md | grep -v ' total$' | sort -n | tail -n 1"),
    ("ls -l d | wc -l", "ls d | wc -l"),
    ("git log --author=Bo | wc -l", "git log --oneline --author=Bo | wc -l"),
    ("ls -a | wc -l", "ls -A | wc -l"),
    (r'echo "a\nb" > f', r'echo -e "a\nb" > f'),
    ("printf 'end' >> f", r"printf 'end\n' >> f"),
    ("$ ls", "ls"),
    ("sudo rm f", "rm f"),
    ("less f", "cat f"),
    ("run.sh 3", "bash run.sh 3"),
    ("calc.py 3", "python3 calc.py 3"),
    ("python calc.py", "python3 calc.py"),
    ("find . -name *.md", "find . -name '*.md'"),
    ('find . -name "*.{md,txt}"', r"find . \( -name '*.md' -o -name '*.txt' \)"),
    ("find . -name '*.md|*.txt' -delete", r"find . \( -name '*.md' -o -name '*.txt' \) -delete"),
    ("find d -maxdepth 1 -type d", "find d -mindepth 1 -maxdepth 1 -type d"),
    ("find d -type d | wc -l", "find d -mindepth 1 -type d | wc -l"),
    ("find d -type d -empty -delete", "find d -mindepth 1 -type d -empty -delete"),
    ("find . -size -5k", "find . -size -5120c"),
    ("find . -exec cat {}", r"find . -exec cat {} \;"),
    ("find a -type f -exec cp {} b/ +", r"find a -type f -exec cp {} b/ \;"),
    ("find . -printf '%s %p'", r"find . -printf '%s %p\n'"),
    ("find . -perm +111", "find . -perm /111"),
    ("find . -type f | xargs rm", "find . -type f -print0 | xargs -0 rm"),
    ("sort f > f", "sort f > f.new && mv f.new f"),
    ("cat f | tr a b > f && cat f", "cat f | tr a b > f.new && mv f.new f && cat f"),
    ("mv *.mp3 music", "mkdir -p music && mv *.mp3 music"),
    ("cp a b c", "mkdir -p c && cp a b c"),
    ("find . -name '*.c' -exec mv -t src {} +", "mkdir -p src && find . -name '*.c' -exec mv -t src {} +"),
    ("tar -xzf a.tar -C out", "mkdir -p out && tar -xf a.tar -C out"),
    ("tar tzf a.tar", "tar tf a.tar"),
    ("mkdir a/b", "mkdir -p a/b"),
    ("cp d/ e", "cp -r d/ e"),
    ("rm **/*.pyc", "shopt -s globstar; rm **/*.pyc"),
    ("for f in $(ls *.a); do rm $f; done", 'for f in *.a; do rm "$f"; done'),
    ("for f in *.a; do mv $f ${f%.a}.b; done", 'for f in *.a; do mv "$f" "${f%.a}.b"; done'),
    ('for f in *; do mv "$f" "${f/ /_}"; done', 'for f in *; do mv "$f" "${f// /_}"; done'),
]

RIGHT = [
    "grep -rn 'word' .",
    r"grep 'cat\|dog' pets",
    "grep -F '[x]' list",
    "grep -rc cat . | grep -v ':0'",
    "grep -c cat a b | sort",
    "cat f | grep cat",
    "grep -oE '[[:alnum:].]+@[[:alnum:].-]+' f",
    "sed -E 's/(a)+/b/' f",
    "sed -n '3,5p' f",
    "awk -F, 'NR>1 {s[$2]+=$3} END {for (k in s) print k, s[k]}' t.csv",
    "awk -v min=3 '$2 == min' f",
    'awk "NR == 3" f',
    "sort -t, -k2 -rn t.csv | head -n 1",
    "sort f | uniq",
    "uniq f",
    "comm -12 <(sort a) <(sort b)",
    "du -sb d/*/ | sort -rn",
    "ls d | wc -l",
    "printf '%s' x > f",
    "echo -e 'a\\nb'",
    "find . -type d -name cache -exec rm -rf {} +",
    "find . -type f -size +10k",
    "find . -name '*.a' -print0 | xargs -0 rm",
    "sort -o f f",
    "sed 's/a/b/' f > g && mv g f",
    "echo f > f",
    "mv a b",
    "cp a d/",
    "tar -czf a.tar.gz d",
    "mkdir d",
    'git commit -q -m "it\'s 5|6" && git log | head',
    "python3 -c \"import json; print(json.load(open('f'))['a'])\"",
    "cat <<'EOF' > f\nls *.a | b\nEOF",
]


@pytest.mark.parametrize(("slip", "right"), SLIPS)
def test_a_slip_is_mended(slip: str, right: str) -> None:
    assert mended(slip) == right


@pytest.mark.parametrize("command", [*RIGHT, *(right for _, right in SLIPS)])
def test_what_is_no_slip_stays_to_the_letter(command: str) -> None:
    assert mended(command) == command


@given(
    st.lists(st.sampled_from("grep find sort -c -r -exec '*.a' \"$f\" > | && f . d/ ; {} [x] for".split()), max_size=12)
)
def test_any_text_is_taken_and_a_mended_one_needs_nothing_more(words: list[str]) -> None:
    once = mended(" ".join(words))
    assert mended(once) == once


@given(st.text(max_size=60))
def test_it_is_total(text: str) -> None:
    mended(text)
    unrunnable(text, lambda name: True)


@pytest.mark.parametrize(
    ("command", "files", "left"),
    [
        ("sort f > f", {"f": "b\na\n"}, {"f": "a\nb\n"}),
        ("mv *.x box", {"1.x": "1", "2.x": "2"}, {"box/1.x": "1", "box/2.x": "2"}),
        ("for f in $(ls *.x); do mv $f ${f%.x}.y; done", {"a b.x": "1"}, {"a b.y": "1"}),
        ("find . -name '*.x' | xargs rm", {"a b.x": "1", "c": "2"}, {"c": "2"}),
    ],
)
def test_a_mended_command_does_what_was_meant(
    command: str, files: dict[str, str], left: dict[str, str], tmp_path: Path
) -> None:
    def run(text: str, folder: str) -> dict[str, str]:
        root = tmp_path / folder
        root.mkdir()
        for name, content in files.items():
            (root / name).write_text(content)
        subprocess.run(["bash", "-c", text], cwd=root, capture_output=True, timeout=20)
        return {p.relative_to(root).as_posix(): p.read_text() for p in sorted(root.rglob("*")) if p.is_file()}

    assert run(mended(command), "mended") == left
    assert run(command, "as it was") != left


def test_what_no_shell_can_run_is_named() -> None:
    def known(name: str) -> bool:
        return name in BUILTINS or shutil.which(name) is not None

    assert unrunnable("grep 'a b", known) == "a quote is not closed"
    assert unrunnable("cat f | no-such-tool -x", known) == "there is no program no-such-tool here"
    assert unrunnable("for f in a; do cat $f; done; cd x && ./run", known) == ""
    assert unrunnable("X=1 env | sort", known) == ""
    assert unrunnable("greet() { cat; }; greet", known) == ""
