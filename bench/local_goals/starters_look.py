"""More starter examples: counting, finding, reading, comparing. One technique each, in the words that people use."""

from __future__ import annotations

from bench.local_goals.starters import sh, starter

COUNT_MORE = (
    starter(
        "how many directories does vendor contain, not going deeper",
        "mkdir -p vendor/acme/deep vendor/zeta vendor/omni; touch vendor/list.csv",
        sh("find vendor -mindepth 1 -maxdepth 1 -type d | wc -l"),
        answer="vendor contains {0} directories.",
    ),
    starter(
        "count all the directories below crates",
        "mkdir -p crates/one/src crates/two/src",
        sh("find crates -mindepth 1 -type d | wc -l"),
        answer="There are {0} directories below crates.",
    ),
    starter(
        "total number of lines over all rust sources",
        "mkdir src; seq 12 > src/lib.rs; seq 30 > src/cli.rs",
        sh("find . -name '*.rs' -type f -exec cat {} + | wc -l"),
        answer="The rust sources have {0} lines in total.",
    ),
    starter(
        "how many distinct browsers are in agents.tsv, they are in the second column",
        "printf 'a firefox\\nb chrome\\nc firefox\\n' > agents.tsv",
        sh("awk '{print $2}' agents.tsv | sort -u | wc -l"),
        answer="There are {0} distinct browsers.",
    ),
    starter(
        "how often is the word rain used in weather.md, counting every use",
        "printf 'rain and rain\\nno sun, rain\\n' > weather.md",
        sh("grep -o -w 'rain' weather.md | wc -l"),
        answer="rain is used {0} times.",
    ),
    starter(
        "how many blank lines has minutes.rst",
        "printf 'a\\n\\nb\\n\\n\\n' > minutes.rst",
        sh("grep -c '^$' minutes.rst"),
        answer="minutes.rst has {0} blank lines.",
    ),
    starter(
        "Count the settings in nginx.cfg that are not commented out.",
        "printf '# old\\nport 80\\nhost a\\n\\n' > nginx.cfg",
        sh("grep -v -E '^[[:space:]]*(#|$)' nginx.cfg | wc -l"),
        answer="{0} settings are not commented out.",
    ),
    starter(
        "which country has the most rows in visits.psv",
        "printf 'peru|1\\nmali|2\\nperu|3\\n' > visits.psv",
        sh("cut -d'|' -f1 visits.psv | sort | uniq -c | sort -rn | head -n 1"),
        answer="peru has the most rows.",
    ),
    starter(
        "how many bytes do the .wav files take together",
        "head -c 300 /dev/zero > a.wav; head -c 200 /dev/zero > b.wav",
        sh("find . -name '*.wav' -type f -printf '%s\\n' | awk '{s+=$1} END {print s}'"),
        answer="The .wav files take {0} bytes together.",
    ),
)

FIND_MORE = (
    starter(
        "which of the chapters is the longest, in lines",
        "mkdir ch; seq 9 > ch/01.rst; seq 40 > ch/02.rst; seq 3 > ch/03.rst",
        sh("wc -l ch/*.rst | grep -v total | sort -rn | head -n 1"),
        answer="The longest chapter is ch/02.rst.",
    ),
    starter(
        "what directory in mirror uses the most disk space?",
        "mkdir -p mirror/iso mirror/deb; head -c 90000 /dev/zero > mirror/iso/x; head -c 20 /dev/zero > mirror/deb/y",
        sh("du -sb mirror/*/ | sort -rn | head -n 1 | cut -f2"),
        answer="mirror/iso uses the most disk space.",
    ),
    starter(
        "find duplicate songs in tracks, files with equal content",
        "mkdir tracks; echo aa > tracks/x.ogg; echo bb > tracks/y.ogg; echo aa > tracks/z.ogg",
        sh("md5sum tracks/* | sort | uniq -w32 -D"),
        answer="tracks/x.ogg and tracks/z.ogg have equal content.",
    ),
    starter(
        "in what file is the function parse_header defined",
        "mkdir lib; echo 'def parse_header(x):' > lib/http.py; echo 'parse_header(1)' > lib/use.py",
        sh("grep -rnE '(def|function|func) +parse_header' ."),
        answer="parse_header is defined in lib/http.py.",
    ),
    starter(
        "where is class OrderBook declared?",
        "mkdir app; echo 'class OrderBook:' > app/trade.py; echo 'OrderBook()' > app/run.py",
        sh("grep -rn 'class OrderBook' ."),
        answer="OrderBook is declared in app/trade.py.",
    ),
    starter(
        "which documents were changed during 2021",
        "mkdir docs; touch -d 2021-05-01 docs/a.odt; touch -d 2024-02-02 docs/b.odt; touch -d 2019-01-01 docs/c.odt",
        sh("find docs -type f -newermt '2021-01-01' ! -newermt '2022-01-01' | sort"),
        answer="Changed during 2021: {0}",
    ),
    starter(
        "list the presentations older than March 2022",
        "touch -d 2021-05-01 a.odp; touch -d 2023-02-02 b.odp",
        sh("find . -name '*.odp' -type f ! -newermt '2022-03-01' | sort"),
        answer="Older than March 2022: {0}",
    ),
    starter(
        "what is the newest file below export?",
        "mkdir export; touch -d 2024-01-01 export/jan.xml; touch -d 2025-01-01 export/new.xml",
        sh("find export -type f -printf '%T@ %p\\n' | sort -rn | head -n 1 | cut -d' ' -f2-"),
        answer="The newest file is {0}.",
    ),
    starter(
        "files under cache with fewer than 200 bytes",
        "mkdir cache; head -c 50 /dev/zero > cache/s; head -c 900 /dev/zero > cache/l",
        sh("find cache -type f -size -200c | sort"),
        answer="Fewer than 200 bytes: {0}",
    ),
    starter(
        "which of the scripts do not mention license",
        "echo license > a.pl; echo none > b.pl",
        sh("grep -L 'license' *.pl"),
        answer="{0} does not mention license.",
    ),
    starter(
        "show me the executable files",
        "echo x > go.sh; chmod +x go.sh; echo y > plain.sh",
        sh("find . -type f -executable | sort"),
        answer="Executable: {0}",
    ),
    starter(
        "find broken links in this tree",
        "ln -s gone dead; echo a > here; ln -s here alive",
        sh("find . -xtype l | sort"),
        answer="Broken: {0}",
    ),
    starter(
        "widest tsv here, by the length of its lines",
        "echo abc > x.tsv; echo abcdefghijkl > y.tsv",
        sh("wc -L *.tsv | grep -v total | sort -rn | head -n 1"),
        answer="y.tsv has the longest line.",
    ),
)

READ_MORE = (
    starter(
        "print line 12 of roster.md",
        "seq 100 120 > roster.md",
        sh("sed -n '12p' roster.md"),
        answer="Line 12 is: {0}",
    ),
    starter(
        "what stands on lines 3 to 5 of verse.md",
        "printf 'a\\nb\\nc\\nd\\ne\\nf\\n' > verse.md",
        sh("sed -n '3,5p' verse.md"),
        answer="{0}",
    ),
    starter(
        "when was model.bin last changed, what date",
        "echo x > model.bin; touch -d '2025-08-09 10:00' model.bin",
        sh("date -r model.bin +%Y-%m-%d"),
        answer="model.bin was last changed on {0}.",
    ),
    starter(
        "what does the link stable lead to",
        "mkdir v2; ln -s v2 stable",
        sh("readlink stable"),
        answer="stable leads to {0}.",
    ),
    starter(
        "what is the timeout in service.ini",
        "printf '[net]\\ntimeout = 30\\nport = 1\\n' > service.ini",
        sh("grep '^timeout' service.ini"),
        answer="The timeout is 30.",
    ),
    starter(
        "give me the email of the second user in people.json",
        'echo \'[{"email": "a@x.org"}, {"email": "b@x.org"}]\' > people.json',
        sh("python3 -c \"import json; print(json.load(open('people.json'))[1]['email'])\""),
        answer="The email is {0}.",
    ),
    starter(
        "what are the column names of my-stock.csv",
        "printf 'sku,qty,price\\na,1,2\\n' > my-stock.csv",
        sh("head -n 1 my-stock.csv"),
        answer="The columns are {0}.",
    ),
    starter(
        "what does count.sh print when run with 5",
        "echo 'echo $(($1 * 2))' > count.sh",
        sh("bash count.sh 5"),
        answer="It prints {0}.",
    ),
    starter(
        "highest temperature in readings.csv, third column",
        "printf 'd,h,t\\n1,2,20\\n1,3,31\\n1,4,25\\n' > readings.csv",
        sh("awk -F, 'NR>1 && (m==\"\" || $3>m) {m=$3} END {print m}' readings.csv"),
        answer="The highest temperature is {0}.",
    ),
    starter(
        "which employee in payroll.csv earns the most",
        "printf 'name,pay\\nkim,10\\nlou,30\\nmax,20\\n' > payroll.csv",
        sh("tail -n +2 payroll.csv | sort -t, -k2,2 -rn | head -n 1"),
        answer="lou earns the most.",
    ),
    starter(
        "average of the score column in quiz.csv",
        "printf 'who,score\\na,4\\nb,8\\n' > quiz.csv",
        sh("awk -F, 'NR>1 {s+=$2; n++} END {print s/n}' quiz.csv"),
        answer="The average is {0}.",
    ),
    starter(
        "how many orders in sales.psv are over 100",
        "printf 'id|sum\\n1|50\\n2|150\\n3|300\\n' > sales.psv",
        sh("awk -F'|' 'NR>1 && $2>100' sales.psv | wc -l"),
        answer="{0} orders are over 100.",
    ),
    starter(
        "are draft1.md and draft2.md identical?",
        "echo a > draft1.md; echo a > draft2.md",
        sh('cmp -s draft1.md draft2.md && echo "identical" || echo "different"'),
        answer="They are {0}.",
    ),
    starter(
        "which lines do north.lst and south.lst have in common",
        "printf 'a\\nb\\n' > north.lst; printf 'b\\nc\\n' > south.lst",
        sh("grep -Fxf north.lst south.lst"),
        answer="In common: {0}",
    ),
    starter(
        "show the context around panic in kernel.out, 1 line before and after",
        "printf 'a\\npanic\\nb\\nc\\n' > kernel.out",
        sh("grep -n -C 1 'panic' kernel.out"),
        answer="{0}",
    ),
)
