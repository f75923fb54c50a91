"""Goals about CSV and TSV tables, JSON and logs."""

from __future__ import annotations

import gzip

from bench.local_goals.build import do, goal, say, tree
from bench.local_goals.check import json_is, lines_are, matches, names, number, says

EXPENSES = "date,what,amount\n2025-01-03,rent,700\n2025-01-09,food,85\n2025-01-20,train,49\n2025-01-28,food,66\n"
SCORES = "player,score\nUma,14\nVic,9\nWes,22\nXia,11\n"
STOCK = "sku,product,quantity\n11,rope,40\n12,hook,7\n13,sail,12\n14,oar,9\n"
STAFF = "name,born,town\nIngrid,1971,Oslo\nPavel,1958,Brno\nYuki,1990,Kyoto\nMona,1963,Cairo\n"
CITIES = (
    "city,country,people\nLyon,France,522\nTurin,Italy,848\nNice,France,342\nBari,Italy,316\nPort-de-France,Haiti,3\n"
)
LEAGUE = "team,points\nHawks,31\nOwls,48\nGulls,9\nRooks,40\n"
USERS = "id,login,password,city\n1,ann,s3cret,Rome\n2,bob,hunter,Riga\n"
TSV = "plant\theight\nfern\t40\nivy\t300\n"
SALES = "region,amount\nNorth,120\nSouth,300\nNorth,250\nEast,90\nSouth,40\nEast,260\n"
TICKETS = (
    "id,state,title\n1,open,Login fails\n2,closed,Re-open the door\n3,open,Typo\n"
    "4,waiting,open questions\n5,open,Slow\n"
)

CSV = (
    goal(
        "dev",
        "csv",
        2,
        "money-spent",
        "how much money was spent altogether according to expenses.csv?",
        tree({"expenses.csv": EXPENSES}),
        number(900, also=(700, 85, 49, 66)),
        solution="awk -F, 'NR>1 {s+=$3} END {print s}' expenses.csv",
        wrong=(say("834"), say("It was 66."), say("I don't know")),
    ),
    goal(
        "held-out",
        "csv",
        2,
        "average-score",
        "What is the average score in scores.csv?",
        tree({"scores.csv": SCORES}),
        number(14, also=(56, 4)),
        solution="awk -F, 'NR>1 {s+=$2; n++} END {print s/n}' scores.csv",
        wrong=(say("11.2"), say("56")),
    ),
    goal(
        "dev",
        "csv",
        2,
        "scarcest-product",
        "which product in stock.csv is there the least of?",
        tree({"stock.csv": STOCK}),
        names("hook", none_of=("rope", "sail", "oar")),
        solution="tail -n +2 stock.csv | sort -t, -k3n | head -n 1",
        wrong=(say("oar"), say("sail")),
    ),
    goal(
        "held-out",
        "csv",
        2,
        "oldest-person",
        "Who is the oldest person in staff-list.csv?",
        tree({"staff-list.csv": STAFF}),
        names("Pavel", none_of=("Ingrid", "Yuki", "Mona")),
        solution="tail -n +2 staff-list.csv | sort -t, -k2n | head -n 1",
        wrong=(say("Yuki"), say("Mona, born 1963")),
    ),
    goal(
        "dev",
        "csv",
        2,
        "french-cities",
        "Save only the rows of cities.csv where the country is France to france.csv; keep the header line.",
        tree({"cities.csv": CITIES}),
        lines_are("france.csv", ["city,country,people", "Lyon,France,522", "Nice,France,342"]),
        solution="awk -F, 'NR==1 || $2==\"France\"' cities.csv > france.csv",
        wrong=(
            do("grep France cities.csv > france.csv"),
            do("(head -n 1 cities.csv; grep France cities.csv) > france.csv"),
        ),
    ),
    goal(
        "held-out",
        "csv",
        3,
        "ranking",
        "sort league.csv by points, highest first, with the header still on top, and write it to ranking.csv",
        tree({"league.csv": LEAGUE}),
        lines_are("ranking.csv", ["team,points", "Owls,48", "Rooks,40", "Hawks,31", "Gulls,9"]),
        solution="(head -n 1 league.csv; tail -n +2 league.csv | sort -t, -k2 -rn) > ranking.csv",
        wrong=(
            do("sort -t, -k2 -rn league.csv > ranking.csv"),
            do("(head -n 1 league.csv; tail -n +2 league.csv | sort -t, -k2 -r) > ranking.csv"),
        ),
    ),
    goal(
        "dev",
        "csv",
        2,
        "without-passwords",
        "make users_public.csv from users.csv without the password column",
        tree({"users.csv": USERS}),
        lines_are("users_public.csv", ["id,login,city", "1,ann,Rome", "2,bob,Riga"]),
        solution="cut -d, -f1,2,4 users.csv > users_public.csv",
        wrong=(
            do("cut -d, -f1,2 users.csv > users_public.csv"),
            do("cp users.csv users_public.csv"),
            do("mv users.csv users_public.csv"),
        ),
    ),
    goal(
        "held-out",
        "csv",
        1,
        "tabs-to-commas",
        "turn the tab separated plants.tsv into plants.csv with commas",
        tree({"plants.tsv": TSV}),
        lines_are("plants.csv", ["plant,height", "fern,40", "ivy,300"]),
        solution="tr '\\t' , < plants.tsv > plants.csv",
        wrong=(do("cp plants.tsv plants.csv"), do("mv plants.tsv plants.csv; sed -i 's/\\t/,/g' plants.csv")),
    ),
    goal(
        "dev",
        "csv",
        2,
        "best-region",
        "Which region sold the most in sales.csv, all its rows added up?",
        tree({"sales.csv": SALES}),
        names("North", none_of=("South", "East")),
        solution="awk -F, 'NR>1 {s[$1]+=$2} END {for (r in s) print s[r], r}' sales.csv | sort -rn | head -n 1",
        wrong=(say("South"), say("East sold 350")),
    ),
    goal(
        "held-out",
        "csv",
        1,
        "open-tickets",
        "how many tickets in tickets.csv are open (state column)?",
        tree({"tickets.csv": TICKETS}),
        number(3),
        solution="awk -F, '$2==\"open\"' tickets.csv | wc -l",
        wrong=(say("5"), say("4 tickets are open"), say("2")),
    ),
)

PACKAGE = '{"name": "web", "version": "0.3.1", "dependencies": {"express": "4.18.2", "lodash": "4.17.21"}}\n'
MEMBERS = (
    '[{"n": "A", "active": true}, {"n": "B", "active": false}, {"n": "C", "active": true},\n'
    '{"n": "D", "active": false}, {"n": "E", "active": false}]\n'
)
ITEMS = '[{"name": "nail", "price": 2}, {"name": "saw", "price": 18}]\n'

JSON = (
    goal(
        "dev",
        "json",
        1,
        "express-version",
        "which version of express does package.json ask for",
        tree({"package.json": PACKAGE}),
        says("4.18.2", never=("4.17.21", "0.3.1")),
        solution="python3 -c \"import json; print(json.load(open('package.json'))['dependencies']['express'])\"",
        wrong=(say("0.3.1"), say("4.17.21")),
    ),
    goal(
        "held-out",
        "json",
        2,
        "active-members",
        "How many entries of members.json are active?",
        tree({"members.json": MEMBERS}),
        number(2),
        solution="python3 -c \"import json; print(sum(m['active'] for m in json.load(open('members.json'))))\"",
        wrong=(say("3"), say("5 entries")),
    ),
    goal(
        "dev",
        "json",
        2,
        "add-license",
        "Add the key license with the value MIT to meta.json",
        tree({"meta.json": '{\n  "title": "Kite",\n  "tags": ["a", "b"]\n}\n'}),
        json_is("meta.json", {"title": "Kite", "tags": ["a", "b"], "license": "MIT"}),
        may=("meta.json",),
        solution="python3 -c \"import json; d = json.load(open('meta.json')); d['license'] = 'MIT'; "
        "json.dump(d, open('meta.json', 'w'))\"",
        wrong=(
            do('echo \'{"license": "MIT"}\' > meta.json'),
            do('echo \'"license": "MIT"\' >> meta.json'),
            do("sed -i 's/Kite/MIT/' meta.json"),
        ),
    ),
    goal(
        "held-out",
        "json",
        2,
        "json-to-csv",
        "convert items.json to items.csv, with a header line name,price",
        tree({"items.json": ITEMS}),
        lines_are("items.csv", ["name,price", "nail,2", "saw,18"]),
        solution="python3 -c \"import json; print('name,price'); "
        "[print(i['name'], i['price'], sep=',') for i in json.load(open('items.json'))]\" > items.csv",
        wrong=(
            do("cp items.json items.csv"),
            do("printf 'nail,2\\nsaw,18\\n' > items.csv"),
            do("echo name,price > items.csv"),
        ),
    ),
)

APP_LOG = "".join(
    f"2024-03-0{day} {hour:02d}:10:00 {level} job {hour}\n"
    for day, hour, level in (
        (1, 8, "ERROR"),
        (1, 9, "INFO"),
        (2, 7, "ERROR"),
        (2, 8, "INFO"),
        (2, 11, "ERROR"),
        (2, 15, "WARN"),
        (2, 19, "ERROR"),
        (3, 2, "ERROR"),
        (3, 4, "INFO"),
    )
)
ACCESS = "".join(
    f"{ip} {path} {code}\n"
    for ip, path, code in (
        ("1.1.1.1", "/home", 200),
        ("1.1.1.2", "/old", 404),
        ("1.1.1.3", "/img", 404),
        ("1.1.1.1", "/home", 200),
        ("1.1.1.2", "/old", 404),
        ("1.1.1.9", "/home", 200),
        ("1.1.1.2", "/home", 404),
        ("1.1.1.4", "/old", 404),
        ("1.1.1.4", "/img", 404),
    )
)
SYSTEM = "INFO boot\nWARN disk 91%\nINFO net up\nERROR usb lost\nDEBUG tick\nWARN hot\n"
AUTH = (
    "06:01:12 accepted ann\n07:44:03 failed root\n09:15:40 failed admin\n10:02:00 accepted bob\n"
    "11:30:59 failed guest\n12:00:01 accepted ann\n"
)
ZIPPED = gzip.compress(b"ok\nrequest Timeout 3\nok\nTimeout\nlate\nTimeout again\nok\nTimeout\n", mtime=0)

LOGS = (
    goal(
        "dev",
        "log",
        2,
        "errors-of-a-day",
        "How many ERROR lines does worker.log have from 2024-03-02?",
        tree({"worker.log": APP_LOG}),
        number(3),
        solution="grep -c '^2024-03-02.*ERROR' worker.log",
        wrong=(say("5"), say("There are 6 lines.")),
    ),
    goal(
        "held-out",
        "log",
        2,
        "most-missed-page",
        "which page gave code 404 most often in requests.log",
        tree({"requests.log": ACCESS}),
        matches(r"/old\b", never=r"/(img|home)\b"),
        solution="awk '$3==404 {print $2}' requests.log | sort | uniq -c | sort -rn | head -n 1",
        wrong=(say("/home"), say("/img")),
    ),
    goal(
        "dev",
        "log",
        1,
        "warnings-and-errors",
        "Save all WARN and ERROR lines of system.log to problems.txt",
        tree({"system.log": SYSTEM}),
        lines_are("problems.txt", ["WARN disk 91%", "ERROR usb lost", "WARN hot"]),
        solution="grep -E 'WARN|ERROR' system.log > problems.txt",
        wrong=(
            do("grep ERROR system.log > problems.txt"),
            do("cp system.log problems.txt"),
            do("grep -E 'WARN|ERROR' system.log"),
        ),
    ),
    goal(
        "held-out",
        "log",
        1,
        "last-failure",
        "at what time was the last failed login in auth.log?",
        tree({"auth.log": AUTH}),
        says("11:30:59", never=("09:15:40", "07:44:03", "12:00:01")),
        solution="grep failed auth.log | tail -n 1",
        wrong=(say("09:15:40"), say("12:00:01")),
    ),
    goal(
        "dev",
        "log",
        1,
        "timeouts-in-gz",
        "how many lines of old.log.gz contain Timeout",
        tree({"old.log.gz": ZIPPED}),
        number(4),
        solution="zgrep -c Timeout old.log.gz",
        wrong=(say("0"), say("8"), do("rm old.log.gz", "4")),
    ),
    goal(
        "held-out",
        "log",
        2,
        "worst-service",
        "Which of the logs in services has the most lines with the word refused?",
        tree(
            {
                "services/ftp.log": "refused\nok\nrefused\n",
                "services/ssh.log": "refused a\nrefused b\nrefused c\nok\n",
                "services/web.log": "ok\n" * 9 + "refused refused refused refused\n",
            }
        ),
        names("ssh.log", none_of=("ftp.log", "web.log")),
        solution="grep -c refused services/*.log | sort -t: -k2 -rn | head -n 1",
        wrong=(say("services/web.log"), say("ftp.log")),
    ),
)

TABLES = (*CSV, *JSON, *LOGS)
