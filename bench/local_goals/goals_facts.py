"""Goals that look: dates, sizes, permissions, links, pieces of a text, what a script prints. The answer is judged."""

from __future__ import annotations

from bench.local_goals.build import do, goal, say, tree
from bench.local_goals.check import day, lines_are, matches, names, number, says

FACTS = (
    goal(
        "dev",
        "dates",
        1,
        "reports-of-2023",
        "List the files in reports that were last modified in 2023.",
        tree(
            {"reports/one.odt": "1", "reports/two.odt": "2", "reports/three.odt": "3", "reports/four.odt": "4"},
            dates={
                "reports/one.odt": "2022-11-20",
                "reports/two.odt": "2023-02-14",
                "reports/three.odt": "2023-10-30",
                "reports/four.odt": "2024-03-05",
            },
        ),
        names("two.odt", "three.odt", none_of=("one.odt", "four.odt")),
        solution="find reports -type f -newermt 2023-01-01 ! -newermt 2024-01-01",
        wrong=(say("two.odt, three.odt, four.odt"), say("reports/one.odt")),
    ),
    goal(
        "held-out",
        "dates",
        1,
        "oldest-in-attic",
        "what is the oldest file in attic",
        tree(
            {"attic/lamp.doc": "1", "attic/coat.doc": "2", "attic/vase.doc": "3"},
            dates={"attic/lamp.doc": "2018-05-01", "attic/coat.doc": "2015-09-17", "attic/vase.doc": "2021-12-24"},
        ),
        names("coat.doc", none_of=("lamp.doc", "vase.doc")),
        solution="ls -tr attic | head -n 1",
        wrong=(say("vase.doc"), say("lamp.doc")),
    ),
    goal(
        "dev",
        "dates",
        1,
        "mtime-of-photo",
        "On what day was shot.raw last modified?",
        tree({"shot.raw": "r", "shot.jpg": "j"}, dates={"shot.raw": "2022-07-14", "shot.jpg": "2022-08-02"}),
        day("2022-07-14"),
        solution="date -u -r shot.raw +%Y-%m-%d",
        wrong=(say("2022-08-02"), say("14 July 2023")),
    ),
    goal(
        "held-out",
        "dates",
        1,
        "newer-than-build",
        "which source files in src are newer than build.stamp?",
        tree(
            {"build.stamp": "", "src/lex.c": "1", "src/parse.c": "2", "src/emit.c": "3"},
            dates={
                "build.stamp": "2025-04-10",
                "src/lex.c": "2025-04-12",
                "src/parse.c": "2025-04-01",
                "src/emit.c": "2025-05-02",
            },
        ),
        names("lex.c", "emit.c", none_of=("parse.c",)),
        solution="find src -type f -newer build.stamp",
        wrong=(say("parse.c"), say("emit.c"), say("lex.c, parse.c and emit.c")),
    ),
    goal(
        "dev",
        "sizes",
        1,
        "heaviest-subfolder",
        "which subfolder of media takes up the most space",
        tree(
            {
                "media/film/a.bin": 90_000,
                "media/film/b.bin": 80_000,
                "media/audio/c.bin": 120_000,
                "media/text/d.bin": 9_000,
            }
        ),
        matches(r"\bfilm\b", never=r"\b(audio|text)\b"),
        solution="du -s media/*/ | sort -rn | head -n 1",
        wrong=(say("media/audio"), say("text"), do("rm -r media/text", "film")),
    ),
    goal(
        "held-out",
        "sizes",
        1,
        "bytes-of-png",
        "How many bytes are all the .png files below icons together?",
        tree({"icons/home.png": 1210, "icons/big/home.png": 4075, "icons/home.ico": 900, "icons/big/exit.png": 331}),
        number(5616, also=(1210, 4075, 331)),
        solution="find icons -name '*.png' -printf '%s\\n' | awk '{s+=$1} END {print s}'",
        wrong=(say("6516"), say("1210 bytes")),
    ),
    goal(
        "held-out",
        "permissions",
        1,
        "which-executable",
        "which files in tools can be executed?",
        tree(
            {
                "tools/fetch": "#!/bin/sh\n",
                "tools/clean.py": "#!/usr/bin/env python3\n",
                "tools/README": "r\n",
                "tools/data.json": "{}",
            },
            modes={"tools/fetch": 0o755, "tools/clean.py": 0o744},
        ),
        names("fetch", "clean.py", none_of=("README", "data.json")),
        solution="find tools -type f -perm -u+x",
        wrong=(say("fetch"), say("fetch, clean.py, README")),
    ),
    goal(
        "dev",
        "links",
        1,
        "link-target",
        "where does the symbolic link current point to?",
        tree({"v7/app": "7", "v8/app": "8", "v9/app": "9"}, links={"current": "v8"}),
        names("v8", none_of=("v7", "v9")),
        solution="readlink current",
        wrong=(say("v9"), say("It points to the app.")),
    ),
    goal(
        "dev",
        "read",
        1,
        "line-seven",
        "What does line 7 of saga.txt say?",
        tree(
            {
                "saga.txt": "Night fell.\nWolves sang.\nSnow came.\nFires died.\nDawn broke.\nRavens flew.\n"
                "The bridge was gone.\nHorses ran.\nAll was still.\n"
            }
        ),
        says("The bridge was gone", never=("Ravens flew", "Horses ran")),
        solution="sed -n 7p saga.txt",
        wrong=(say("Horses ran."), say("Ravens flew.")),
    ),
    goal(
        "held-out",
        "read",
        1,
        "line-range",
        "show me lines 4 to 6 of recipe.txt",
        tree(
            {
                "recipe.txt": "Peel onions\nHeat oil\nFry onions\nAdd lentils\nPour stock\nSimmer slowly\n"
                "Season well\nServe hot\n"
            }
        ),
        says("Add lentils", "Pour stock", "Simmer slowly", never=("Fry onions", "Season well")),
        solution="sed -n '4,6p' recipe.txt",
        wrong=(say("Fry onions\nAdd lentils\nPour stock\nSimmer slowly"), say("Add lentils\nPour stock")),
    ),
    goal(
        "dev",
        "script",
        2,
        "run-with-argument",
        "tell me what triple.sh prints when it gets the argument 14",
        tree({"triple.sh": '#!/bin/bash\necho "result: $(( $1 * 3 + 1 ))"\n'}),
        number(43),
        solution="bash triple.sh 14",
        wrong=(say("42"), say("It prints the argument."), do("rm triple.sh", "43")),
    ),
    goal(
        "held-out",
        "script",
        2,
        "run-python-save",
        "run primes.py and put what it prints into found.txt",
        tree({"primes.py": "print(*[n for n in range(2, 30) if all(n % d for d in range(2, n))], sep='\\n')\n"}),
        lines_are("found.txt", "2 3 5 7 11 13 17 19 23 29".split()),
        solution="python3 primes.py > found.txt",
        wrong=(do("python3 primes.py"), do("cp primes.py found.txt"), do("echo 2 > found.txt")),
    ),
)
