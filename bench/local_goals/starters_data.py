"""The starter examples about git, tables, logs and comparisons, and all of them together."""

from __future__ import annotations

from bench.local_goals.starters import COUNT_AND_FIND, EDIT_TEXT, MAKE_AND_MOVE, REPO, files, read, sh, starter
from bench.local_goals.starters_act import CHANGE_MORE, GIT_MORE, MAKE_MORE, MOVE_MORE
from bench.local_goals.starters_change import CHANGE, MAKE
from bench.local_goals.starters_find import COUNT, FIND
from bench.local_goals.starters_idioms import IDIOMS
from bench.local_goals.starters_later import FOLDERS_LATER, GIT_LATER, LINES_LATER, TABLES_LATER
from bench.local_goals.starters_look import COUNT_MORE, FIND_MORE, READ_MORE
from bench.local_goals.starters_manage import GIT_DAILY, MANAGE
from bench.local_goals.starters_read import COMPARE, NUMBERS, READ

GIT = (
    starter(
        "show the last two commits",
        REPO,
        sh("git log --oneline -n 2"),
        answer="The last two commits: {0}",
    ),
    starter(
        "what did I change since the last commit",
        REPO + "echo v3 >> app.js; echo n > notes.md",
        sh("git status --short"),
        answer="app.js is modified and notes.md is new.",
    ),
    starter(
        "commit the change in app.js with the message Fix the footer",
        REPO + "echo footer >> app.js",
        sh('git add app.js && git commit -q -m "Fix the footer" && git log --oneline -n 1'),
        answer="Committed: {0}",
    ),
    starter(
        "start a new branch called redesign",
        REPO,
        sh("git switch -q -c redesign && git branch --show-current"),
        answer="You are on the new branch {0}.",
    ),
    starter(
        "turn this folder into a git repository and commit everything as Initial import",
        "echo body > style.css",
        sh("git init -q && git add -A && git commit -q -m \"Initial import\" && git log --format='%s'"),
        answer="Created the repository with the commit {0}.",
    ),
)

TABLES_AND_LOGS = (
    starter(
        "print the second column of staff.csv",
        "printf 'id,name\\n1,Ines\\n2,Omar\\n' > staff.csv",
        sh("cut -d, -f2 staff.csv"),
        answer="The second column: {0}",
    ),
    starter(
        "add up the price column of orders.csv",
        "printf 'item,qty,price\\npen,2,3\\nlamp,1,40\\nchair,4,95\\n' > orders.csv",
        sh("head -n 1 orders.csv"),
        sh("awk -F, 'NR>1 {s+=$3} END {print s}' orders.csv"),
        answer="The prices add up to {1}.",
    ),
    starter(
        "which rows of heights.csv are above 180",
        "printf 'who,cm\\nBo,172\\nKai,191\\nUte,185\\n' > heights.csv",
        sh("awk -F, 'NR>1 && $2>180' heights.csv"),
        answer="Two rows are above 180: Kai with 191 and Ute with 185.",
    ),
    starter(
        "what is the mean of the numbers in temps.txt",
        "printf '10\\n20\\n45\\n' > temps.txt",
        sh("awk '{s+=$1} END {print s/NR}' temps.txt"),
        answer="The mean is {0}.",
    ),
    starter(
        "what is the value of language in prefs.json",
        'echo \'{"theme": "dark", "language": "pt"}\' > prefs.json',
        sh("python3 -c \"import json; print(json.load(open('prefs.json'))['language'])\""),
        answer="language is {0}.",
    ),
    starter(
        "set retries to 7 in job.json",
        'echo \'{"name": "sync", "retries": 2}\' > job.json',
        sh(
            "python3 -c \"import json; d = json.load(open('job.json')); d['retries'] = 7; "
            "json.dump(d, open('job.json', 'w'), indent=2)\" && cat job.json"
        ),
        answer="retries is now 7 in job.json.",
    ),
    starter(
        "how often does timeout occur in proxy.log",
        "printf 'ok\\ntimeout a\\nok\\ntimeout b\\n' > proxy.log",
        sh("grep -c 'timeout' proxy.log"),
        answer="{0} lines of proxy.log have timeout.",
    ),
    starter(
        "show the last 2 lines of boot.log",
        "printf 'a\\nb\\nmounted\\nready\\n' > boot.log",
        sh("tail -n 2 boot.log"),
        answer="{0}",
    ),
    starter(
        "which visitor appears most in visits.txt",
        "printf 'lea\\ntim\\nlea\\nbob\\nlea\\ntim\\n' > visits.txt",
        sh("sort visits.txt | uniq -c | sort -rn | head -n 1"),
        answer="lea appears most, 3 times.",
    ),
    starter(
        "what is different between old.cfg and new.cfg",
        "printf 'a=1\\nb=2\\n' > old.cfg; printf 'a=1\\nb=5\\n' > new.cfg",
        sh("diff old.cfg new.cfg || true"),
        answer="The line b=2 became b=5.",
    ),
    starter(
        "which names in invited.txt are missing in came.txt",
        "printf 'Ann\\nBen\\nCy\\n' > invited.txt; printf 'Cy\\nAnn\\n' > came.txt",
        sh("grep -vxFf came.txt invited.txt"),
        answer="Missing: {0}",
    ),
    starter(
        "write the errors of server.out to errors.txt and tell me how many there are",
        "printf 'INFO up\\nERROR disk\\nINFO ok\\nERROR net\\nERROR net\\n' > server.out",
        sh("grep 'ERROR' server.out > errors.txt; wc -l < errors.txt"),
        answer="I wrote {0} error lines to errors.txt.",
    ),
    starter(
        "which script does package.toml start, and does that file exist",
        'printf \'name = "shop"\\nstart = "cmd/serve.rb"\\n\' > package.toml; mkdir cmd; touch cmd/serve.rb',
        read("package.toml"),
        files("cmd/serve.rb"),
        answer="package.toml starts cmd/serve.rb, and the file exists.",
    ),
)

STARTERS = (
    *COUNT_AND_FIND,
    *MAKE_AND_MOVE,
    *EDIT_TEXT,
    *GIT,
    *TABLES_AND_LOGS,
    *COUNT_MORE,
    *FIND_MORE,
    *READ_MORE,
    *MAKE_MORE,
    *CHANGE_MORE,
    *MOVE_MORE,
    *GIT_MORE,
    *COUNT,
    *FIND,
    *READ,
    *COMPARE,
    *NUMBERS,
    *MAKE,
    *CHANGE,
    *MANAGE,
    *GIT_DAILY,
    *IDIOMS,
    *TABLES_LATER,
    *LINES_LATER,
    *FOLDERS_LATER,
    *GIT_LATER,
)
