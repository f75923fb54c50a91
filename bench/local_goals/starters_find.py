"""The starter examples about counting things and finding files."""

from __future__ import annotations

from bench.local_goals.starters import sh, starter

COUNT = (
    starter(
        "how many files lie in inbox itself, without its subfolders?",
        "mkdir -p inbox/read; touch inbox/a.eml inbox/b.eml inbox/read/c.eml",
        sh("find inbox -maxdepth 1 -type f | wc -l"),
        answer="{0} files lie directly in inbox.",
    ),
    starter(
        "How many hidden files do I have in this directory?",
        "touch .profile .inputrc shown.txt",
        sh("find . -maxdepth 1 -type f -name '.*' | wc -l"),
        answer="There are {0} hidden files.",
    ),
    starter(
        "number of characters in slogan.txt please",
        "printf 'Less is more\\n' > slogan.txt",
        sh("wc -m < slogan.txt"),
        answer="slogan.txt has {0} characters, the line end included.",
    ),
    starter(
        "how many different countries occur in clients.csv",
        "printf 'name,country\\nAda,UK\\nBea,IT\\nCem,UK\\nDov,PT\\n' > clients.csv",
        sh("head -n 2 clients.csv"),
        sh("tail -n +2 clients.csv | cut -d, -f2 | sort -u | wc -l"),
        answer="There are {1} different countries.",
    ),
    starter(
        "give me the number of bugs per severity from bugs.csv",
        "printf 'id,severity\\n1,low\\n2,high\\n3,low\\n4,low\\n' > bugs.csv",
        sh("tail -n +2 bugs.csv | cut -d, -f2 | sort | uniq -c | sort -rn"),
        answer="Bugs per severity: {0}",
    ),
    starter(
        "which essay in the folder essays has the most words?",
        "mkdir essays; echo 'sun and moon and stars' > essays/sky.md; echo 'only water' > essays/sea.md",
        sh('for f in essays/*; do echo "$(wc -w < "$f") $f"; done | sort -rn | head -n 1'),
        answer="essays/sky.md has the most words, 5.",
    ),
    starter(
        "how many requests came back with code 503 in gateway.log",
        "printf '/a 200 12\\n/b 503 30\\n/c 503 503\\n/d 200 503\\n' > gateway.log",
        sh("head -n 3 gateway.log"),
        sh("awk '$2 == 503' gateway.log | wc -l"),
        answer="{1} requests came back with code 503.",
    ),
    starter(
        "how many functions does the python module helpers.py define",
        "printf 'import os\\n\\ndef a():\\n    pass\\n\\n\\ndef b():\\n    pass\\n' > helpers.py",
        sh("grep -cE '^[[:space:]]*(async )?def ' helpers.py"),
        answer="helpers.py defines {0} functions.",
    ),
)

FIND = (
    starter(
        "find the photos whether they end in .JPG or .jpg",
        "mkdir -p cam; touch cam/P1.JPG cam/p2.jpg cam/p3.raw",
        sh("find . -type f -iname '*.jpg' | sort"),
        answer="The photos are {0}.",
    ),
    starter(
        "is there a licence file anywhere? tell me where",
        "mkdir -p vendor/zlib; touch vendor/zlib/LICENSE vendor/zlib/zlib.c",
        sh("find . -type f -iname 'licen[cs]e*' | sort"),
        answer="Yes, at {0}.",
    ),
    starter(
        "List everything between 10k and 60k",
        "head -c 9000 /dev/zero > s.wav; head -c 40000 /dev/zero > m.wav; head -c 90000 /dev/zero > l.wav",
        sh("find . -type f -size +10k -size -60k | sort"),
        answer="Between 10k and 60k: {0}",
    ),
    starter(
        "the three largest files in downloads and their sizes",
        "mkdir downloads; for n in 100 900 300 50; do head -c $n /dev/zero > downloads/f$n.deb; done",
        sh("find downloads -type f -printf '%s %p\\n' | sort -rn | head -n 3"),
        answer="The three heaviest: {0}",
    ),
    starter(
        "which snapshot is the oldest one below snapshots, by date?",
        "mkdir -p snapshots/x; touch -d 2025-05-01 snapshots/m.img; touch -d 2024-11-20 snapshots/x/n.img; "
        "touch -d 2026-01-02 snapshots/o.img",
        sh("find snapshots -type f -printf '%TY-%Tm-%Td %p\\n' | sort | head -n 1"),
        answer="The oldest is snapshots/x/n.img, from 2024-11-20.",
    ),
    starter(
        "show me what has changed from 15 March 2026 on",
        "touch -d 2026-03-01 a.psd; touch -d 2026-04-11 b.psd; touch -d 2026-05-20 c.psd",
        sh("find . -type f -newermt '2026-03-15' | sort"),
        answer="Changed since 15 March 2026: {0}",
    ),
    starter(
        "name the directories with nothing in them",
        "mkdir -p box/one box/two crate; touch box/one/nail",
        sh("find . -mindepth 1 -type d -empty | sort"),
        answer="These directories are empty: {0}",
    ),
    starter(
        "Which of them may be written by anybody (others)?",
        "touch open.db closed.db; chmod 666 open.db; chmod 640 closed.db",
        sh("find . -type f -perm -o+w | sort"),
        answer="Anybody may write {0}.",
    ),
    starter(
        "what is the most deeply nested file",
        "mkdir -p n/e/s/t n/x; touch n/e/s/t/egg n/x/straw",
        sh("find . -type f -printf '%d %p\\n' | sort -rn | head -n 1"),
        answer="The most deeply nested file is n/e/s/t/egg.",
    ),
    starter(
        "which name in this folder is the longest",
        "touch ox hippopotamus.gif cat.gif",
        sh("ls | awk '{print length, $0}' | sort -rn | head -n 1"),
        answer="The longest name is hippopotamus.gif with 16 characters.",
    ),
    starter(
        "find what starts with invoice and ends in pdf, anywhere below",
        "mkdir -p y25 y26; touch y25/invoice-7.pdf y26/invoice-9.pdf y26/invoice-9.doc y26/offer.pdf",
        sh("find . -type f -name 'invoice*.pdf' | sort"),
        answer="Found {0}.",
    ),
    starter(
        "which folder contains the most files",
        "mkdir -p red blue; touch red/1 red/2 red/3 blue/1",
        sh('for d in */; do echo "$(find "$d" -type f | wc -l) $d"; done | sort -rn | head -n 1'),
        answer="red contains the most files, 3.",
    ),
)
