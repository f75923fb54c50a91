"""Starter examples of idioms that goals on the development half showed to be missing; the goals here are others."""

from __future__ import annotations

from bench.local_goals.starters import REPO, sh, starter

IDIOMS = (
    starter(
        "count the mentions of refused in the gzipped mail.out.gz",
        "printf 'ok\\nrefused a\\nrefused b\\n' | gzip > mail.out.gz",
        sh("zgrep -c 'refused' mail.out.gz"),
        answer="mail.out.gz mentions refused on {0} lines.",
    ),
    starter(
        "put everything marked urgent or overdue in tickets.out into hot.out",
        "printf 'low: paint\\nurgent: leak\\noverdue: rent\\nlow: mow\\n' > tickets.out",
        sh("grep -E 'urgent|overdue' tickets.out > hot.out && cat hot.out"),
        answer="hot.out now holds: {0}.",
    ),
    starter(
        "give card.json another entry, country, which is Norway",
        'printf \'{"name": "Liv", "zip": "0150"}\' > card.json',
        sh(
            "python3 -c \"import json; d = json.load(open('card.json')); d['country'] = 'Norway'; "
            "json.dump(d, open('card.json', 'w'), indent=2)\" && cat card.json"
        ),
        answer="card.json now has country Norway.",
    ),
    starter(
        "pull all web links out of page.htm and keep them in links.lst",
        'printf \'<a href="https://a.example/x">x</a> <a href="https://b.example/">y</a>\\n\' > page.htm',
        sh("grep -oE 'https?://[^\"<> ]+' page.htm > links.lst && cat links.lst"),
        answer="links.lst now holds {0}.",
    ),
    starter(
        "every phone number (555-1234) that letter.eml holds",
        "printf 'call 555-1234 or\\n555-9876, thanks\\n' > letter.eml",
        sh("grep -oE '[0-9]{3}-[0-9]{4}' letter.eml"),
        answer="The numbers are {0}.",
    ),
    starter(
        "archive the directory game as game.tgz without its saves directory",
        "mkdir -p game/saves; touch game/run.lua game/saves/s1",
        sh("tar --exclude=saves -czf game.tgz game && tar -tzf game.tgz"),
        answer="game.tgz holds {0}.",
    ),
    starter(
        "list what the last commit touched",
        REPO,
        sh("git show --name-only --format= HEAD"),
        answer="It touched {0}.",
    ),
    starter(
        "what lies here that git does not know yet?",
        REPO + "touch draft.css notes.org",
        sh("git ls-files --others --exclude-standard"),
        answer="git does not know {0}.",
    ),
    starter(
        "take the paid entries out of bills.org and put them into paid.org",
        "printf '* paid gas\\n* open rent\\n* paid phone\\n' > bills.org",
        sh("grep '^\\* paid' bills.org > paid.org && sed -i '/^\\* paid/d' bills.org && cat bills.org paid.org"),
        answer="paid.org holds the paid entries, and bills.org the open one.",
    ),
    starter(
        "the five most frequent words of sermon.tex",
        "printf 'Peace be with you. And peace to all, all, all.\\n' > sermon.tex",
        sh(
            "tr -cs '[:alpha:]' '\\n' < sermon.tex | tr '[:upper:]' '[:lower:]' | sort | uniq -c | sort -rn | head -n 5"
        ),
        answer="The most frequent words, each with its count: {0}",
    ),
    starter(
        "make north.psv from regions.psv: its heading and the rows whose area is north",
        "printf 'name|area\\nAst|north\\nBro|south\\nDal|north\\n' > regions.psv",
        sh("awk -F'|' 'NR==1 || $2==\"north\"' regions.psv > north.psv && cat north.psv"),
        answer="north.psv holds the heading and 2 rows.",
    ),
    starter(
        "gather the import lines of the lua modules under lib in imports.lst, just the text",
        "mkdir lib; echo 'import a' > lib/x.lua; printf 'import b\\nrun()\\n' > lib/y.lua",
        sh("grep -h 'import' lib/*.lua > imports.lst && cat imports.lst"),
        answer="imports.lst now holds: {0}.",
    ),
    starter(
        "cheapest hotel in hotels.csv",
        "printf 'hotel,price\\nLido,90\\nPark,75\\nStar,120\\n' > hotels.csv",
        sh("tail -n +2 hotels.csv | sort -t, -k2,2 -n | head -n 1"),
        answer="Park is the cheapest, at 75.",
    ),
    starter(
        "leave out the birthday column of friends.psv in a new file friends-short.psv",
        "printf 'name|birthday|town\\nAda|1 May|Rome\\n' > friends.psv",
        sh("head -n 1 friends.psv"),
        sh("cut -d'|' -f1,3 friends.psv > friends-short.psv && cat friends-short.psv"),
        answer="friends-short.psv has the columns name and town.",
    ),
    starter(
        "erase the .cache files, all of them except main.cache",
        "touch a.cache b.cache main.cache keep.me",
        sh("find . -maxdepth 1 -type f -name '*.cache' ! -name 'main.cache' -delete && ls"),
        answer="Only main.cache is left of the .cache files.",
    ),
    starter(
        "file the reports by month: REP_05_a.doc belongs in reports/05",
        "mkdir reports; touch reports/REP_05_a.doc reports/REP_06_b.doc",
        sh(
            'for f in reports/*.doc; do m=$(basename "$f" | cut -d_ -f2); mkdir -p "reports/$m"; '
            'mv -n "$f" "reports/$m/"; done; find reports -type f'
        ),
        answer="The reports are now in {0}.",
    ),
    starter(
        "two of the fonts are one and the same, tell me which",
        "mkdir fonts; echo a > fonts/x.ttf; echo b > fonts/y.ttf; echo a > fonts/z.ttf",
        sh("md5sum fonts/* | sort | uniq -w32 -D"),
        answer="fonts/x.ttf and fonts/z.ttf are the same.",
    ),
    starter(
        "order surnames.lst from A to Z without regard to case, into ordered.lst",
        "printf 'zorn\\nAbt\\nmoser\\n' > surnames.lst",
        sh("sort -f surnames.lst > ordered.lst && cat ordered.lst"),
        answer="ordered.lst holds {0}.",
    ),
    starter(
        "a capitalised copy of sign.tex under the name sign-caps.tex",
        "echo 'open late' > sign.tex",
        sh("tr '[:lower:]' '[:upper:]' < sign.tex > sign-caps.tex && cat sign-caps.tex"),
        answer="sign-caps.tex says {0}.",
    ),
    starter(
        "which release of lodash does deps.json name",
        'printf \'{"needs": {"lodash": "^4.17.21"}}\' > deps.json',
        sh("grep 'lodash' deps.json"),
        answer="deps.json names lodash ^4.17.21.",
    ),
)
