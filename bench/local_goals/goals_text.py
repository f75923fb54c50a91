"""Goals that make one text out of another, or compare two."""

from __future__ import annotations

from bench.local_goals.build import do, goal, say, tree
from bench.local_goals.check import End, edited, file_is, lines_are, names, number, says

NAMES = "Vera\nabel\nMoritz\nClara\nJun\n"
QUEUE = "Ada\nBea\nCem\nDov\n"
GUIDE = "# Guide\nWelcome.\n## Install\nRun it.\n### On Debian\nUse a package # here\n## Use\nEnjoy.\n"
HTML = "<p>Mail <a href='x'>ina@site.org</a> or bob.k@mail.example.com</p>\n<p>no at here</p>\n<i>sue@site.org</i>\n"
SPEECH = "We will rise. We will build. Together we rise, and nobody will stop us: we will, yes, we will.\n"
QUOTES = "Less is more.\nThe early bird may well be tired by noon.\nHurry slowly.\nNothing ventured, nothing gained.\n"


def todos_kept(end: End) -> str:
    """todos.txt has the three lines, with or without the file's name before them."""
    entry = end.after.entries.get("todos.txt")
    if entry is None or entry.data is None:
        return "there is no file todos.txt"
    rows = sorted(row.rpartition("TODO ")[2] for row in entry.data.decode().splitlines() if row.strip())
    return "" if rows == ["check b", "free a", "rename"] else f"todos.txt has {rows}"


def parts_of_ten(end: End) -> str:
    """The files of parts are the pieces of big.list, whatever their names."""
    rows = end.before.text("big.list").splitlines(keepends=True)
    wanted = sorted("".join(rows[start : start + 10]).encode() for start in range(0, len(rows), 10))
    held = sorted(entry.data or b"" for path, entry in end.after.entries.items() if path.startswith("parts/"))
    return "" if held == wanted else f"parts has {len(held)} other files"


TEXT = (
    goal(
        "dev",
        "text",
        1,
        "sorted-names",
        "sort names.txt alphabetically (ignore case) and save it as sorted.txt",
        tree({"names.txt": NAMES}),
        lines_are("sorted.txt", ["abel", "Clara", "Jun", "Moritz", "Vera"]),
        solution="sort -f names.txt > sorted.txt",
        wrong=(
            do("cp names.txt sorted.txt"),
            do("sort -f names.txt"),
            do("sort -f -o names.txt names.txt; cp names.txt sorted.txt"),
        ),
    ),
    goal(
        "held-out",
        "text",
        1,
        "reverse-queue",
        "Write the lines of queue.txt in reverse order to reversed.txt.",
        tree({"queue.txt": QUEUE}),
        lines_are("reversed.txt", ["Dov", "Cem", "Bea", "Ada"]),
        solution="tac queue.txt > reversed.txt",
        wrong=(do("rev queue.txt > reversed.txt"), do("sort queue.txt > reversed.txt"), do("tac queue.txt")),
    ),
    goal(
        "dev",
        "text",
        2,
        "commonest-word",
        "Which word occurs most often in speech.txt, ignoring case?",
        tree({"speech.txt": SPEECH.replace("we rise", "they rise")}),
        names("will", none_of=("rise", "build", "us")),
        solution="grep -oi '[a-z]*' speech.txt | tr A-Z a-z | sort | uniq -c | sort -rn | head -n 1",
        wrong=(say("rise"), say("The word is us.")),
    ),
    goal(
        "held-out",
        "text",
        2,
        "longest-line",
        "what is the longest line in quotes.txt",
        tree({"quotes.txt": QUOTES}),
        says("The early bird may well be tired by noon", never=("Less is more", "Nothing ventured", "Hurry slowly")),
        solution="awk 'length > n {n = length; l = $0} END {print l}' quotes.txt",
        wrong=(say("Nothing ventured, nothing gained."), do("cat quotes.txt")),
    ),
    goal(
        "dev",
        "text",
        1,
        "upper-case-copy",
        "make an upper case version of motto.txt, call it motto-upper.txt",
        tree({"motto.txt": "slow and steady\nwins the race\n"}),
        file_is("motto-upper.txt", "SLOW AND STEADY\nWINS THE RACE\n"),
        solution="tr a-z A-Z < motto.txt > motto-upper.txt",
        wrong=(do("cp motto.txt motto-upper.txt"), do("tr a-z A-Z < motto.txt"), do("mv motto.txt motto-upper.txt")),
    ),
    goal(
        "held-out",
        "text",
        1,
        "unix-line-ends",
        "dos.txt has Windows line endings, convert it to Unix line endings",
        tree({"dos.txt": b"one\r\ntwo\r\nthree\r\n", "also.txt": b"x\r\n"}),
        edited("dos.txt", lambda t: t.replace("\r\n", "\n")),
        may=("dos.txt",),
        solution="sed -i 's/\\r$//' dos.txt",
        wrong=(do("sed -i 's/$/\\r/' dos.txt"), do("tr -d '\\r' < dos.txt > unix.txt"), do("sed -i 's/\\r$//' *.txt")),
    ),
    goal(
        "dev",
        "text",
        1,
        "emails-from-html",
        "extract the email addresses from contacts.html into emails.txt, one per line",
        tree({"contacts.html": HTML}),
        lines_are("emails.txt", ["ina@site.org", "bob.k@mail.example.com", "sue@site.org"], ordered=False),
        solution="grep -oE '[a-z.]+@[a-z.]+' contacts.html > emails.txt",
        wrong=(
            do("grep @ contacts.html > emails.txt"),
            do("echo ina@site.org > emails.txt"),
            do("grep -oE '[a-z]+@[a-z]+' contacts.html > emails.txt"),
        ),
    ),
    goal(
        "held-out",
        "text",
        1,
        "headings-to-toc",
        "Pull the headings (the lines that begin with #) out of guide.md into toc.txt",
        tree({"guide.md": GUIDE}),
        lines_are("toc.txt", ["# Guide", "## Install", "### On Debian", "## Use"]),
        solution="grep '^#' guide.md > toc.txt",
        wrong=(do("grep '#' guide.md > toc.txt"), do("grep '^##' guide.md > toc.txt"), do("cp guide.md toc.txt")),
    ),
    goal(
        "dev",
        "compare",
        2,
        "common-lines",
        "Which lines are in both left.txt and right.txt? Write them to common.txt.",
        tree({"left.txt": "pear\nfig\nplum\nkiwi\n", "right.txt": "kiwi\nlime\npear\nfigs\n"}),
        lines_are("common.txt", ["pear", "kiwi"], ordered=False),
        solution="grep -xFf left.txt right.txt > common.txt",
        wrong=(
            do("grep -Ff left.txt right.txt > common.txt"),
            do("cat left.txt right.txt | sort -u > common.txt"),
            do("diff left.txt right.txt > common.txt"),
        ),
    ),
    goal(
        "held-out",
        "compare",
        1,
        "first-difference",
        "v1.lua and v2.lua differ in exactly one line. What is its line number?",
        tree({"v1.lua": "a=1\nb=2\nc=3\nd=4\ne=5\nf=6\n", "v2.lua": "a=1\nb=2\nc=3\nd=4\ne=7\nf=6\n"}),
        number(5, also=(7,)),
        solution="cmp v1.lua v2.lua | sed 's/.*line //'",
        wrong=(say("Line 4."), say("They are the same."), do("cp v1.lua v2.lua", "5")),
    ),
    goal(
        "dev",
        "text",
        2,
        "numbered-rules",
        "number the lines of rules.txt, like 1. first rule, and save them as rules-numbered.txt",
        tree({"rules.txt": "no running\nno shouting\nbe kind\n"}),
        lines_are("rules-numbered.txt", ["1. no running", "2. no shouting", "3. be kind"]),
        solution="awk '{print NR \". \" $0}' rules.txt > rules-numbered.txt",
        wrong=(do("cat -n rules.txt > rules-numbered.txt"), do("sed 's/^/1. /' rules.txt > rules-numbered.txt")),
    ),
    goal(
        "held-out",
        "text",
        2,
        "paste-names",
        "merge first.txt and last.txt line by line, separated by a comma, into people.csv",
        tree({"first.txt": "Ana\nBo\nCy\n", "last.txt": "Diaz\nEk\nFox\n"}),
        lines_are("people.csv", ["Ana,Diaz", "Bo,Ek", "Cy,Fox"]),
        solution="paste -d, first.txt last.txt > people.csv",
        wrong=(
            do("cat first.txt last.txt > people.csv"),
            do("paste first.txt last.txt > people.csv"),
            do("paste -d, last.txt first.txt > people.csv"),
        ),
    ),
    goal(
        "dev",
        "text",
        2,
        "todos-into-file",
        "collect all lines with TODO from the .c files in src into todos.txt (only the lines that have it)",
        tree(
            {
                "src/a.c": "int a;\n// TODO free a\n",
                "src/b.c": "// TODO check b\nint b; // TODO rename\n",
                "src/b.h": "// TODO header\n",
                "todo.md": "TODO list\n",
            }
        ),
        todos_kept,
        solution="grep -h TODO src/*.c > todos.txt",
        wrong=(
            do("grep -rh TODO src > todos.txt"),
            do("cat src/*.c > todos.txt"),
            do("grep -h TODO src/a.c > todos.txt"),
        ),
    ),
    goal(
        "held-out",
        "text",
        2,
        "split-in-parts",
        "split big.list into files of 10 lines each in the folder parts",
        tree({"big.list": "".join(f"item {n}\n" for n in range(1, 36)), "parts/": 0}),
        parts_of_ten,
        solution="split -l 10 big.list parts/part-",
        wrong=(do("split -l 5 big.list parts/part-"), do("split -l 10 big.list"), do("cp big.list parts/a")),
    ),
)
