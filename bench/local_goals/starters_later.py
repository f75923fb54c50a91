"""Starter examples of idioms that the development half and the goals written later showed to be missing.

None was written from a held-out goal; names, texts and wordings are others than those of any goal.
"""

from __future__ import annotations

from bench.local_goals.starters import REPO, sh, starter

WARD = "printf 'name,job,floor\\nUma,nurse,2\\nTed,doctor,1\\nIvo,nurse,1\\nKai,head nurse,3\\n' > ward.csv"
PARCELS = "printf 'code,town,kilos\\nP1,Graz,12\\nP2,Linz,3\\nP3,Wels,40\\n' > parcels.csv"
WAGES = "printf 'who,section,wage\\nAl,lab,30\\nBo,shop,20\\nCy,lab,50\\nDi,shop,22\\n' > wages.csv"
TRAM = "printf '2031-05-01 WARN door\\n2031-05-02 WARN brake\\n2031-05-02 INFO ok\\n2031-05-02 WARN bell\\n' > tram.out"

TABLES_LATER = (
    starter(
        "write the names of the nurses in ward.csv to nurses.lst; the head nurse does not count",
        WARD,
        sh("awk -F, '$2 == \"nurse\" {print $1}' ward.csv > nurses.lst && cat nurses.lst"),
        answer="nurses.lst holds {0}.",
    ),
    starter(
        "what is the lightest parcel in parcels.csv?",
        PARCELS,
        sh("tail -n +2 parcels.csv | sort -t, -k3,3n | head -n 1"),
        answer="The lightest is {0}.",
    ),
    starter(
        "which town of parcels.csv gets the fewest kilos",
        PARCELS,
        sh("tail -n +2 parcels.csv | sort -t, -k3,3n | head -n 1 | cut -d, -f2"),
        answer="It is {0}.",
    ),
    starter(
        "average wage of each section in wages.csv",
        WAGES,
        sh("awk -F, 'NR>1 {s[$2]+=$3; n[$2]++} END {for (k in s) print k, s[k]/n[k]}' wages.csv | sort"),
        answer="The averages are {0}.",
    ),
    starter(
        "which section pays best on average by wages.csv?",
        WAGES,
        sh(
            "awk -F, 'NR>1 {s[$2]+=$3; n[$2]++} END {for (k in s) print s[k]/n[k], k}' wages.csv | sort -rn | head -n 1"
        ),
        answer="On average the best is {0}.",
    ),
    starter(
        "how much do those of the section lab get in sum? see wages.csv",
        WAGES,
        sh("awk -F, '$2 == \"lab\" {s+=$3} END {print s}' wages.csv"),
        answer="Together they get {0}.",
    ),
    starter(
        "how many people of wages.csv work in the shop",
        WAGES,
        sh("awk -F, '$2 == \"shop\"' wages.csv | wc -l"),
        answer="{0} people work in the shop.",
    ),
    starter(
        "make ward-short.csv out of ward.csv, it must not have the column job",
        WARD,
        sh("cut -d, -f1,3 ward.csv > ward-short.csv && cat ward-short.csv"),
        answer="ward-short.csv holds {0}.",
    ),
    starter(
        "keep the rows of parcels.csv with the town Linz in linz.csv, heading included",
        PARCELS,
        sh("awk -F, 'NR==1 || $2==\"Linz\"' parcels.csv > linz.csv && cat linz.csv"),
        answer="linz.csv holds {0}.",
    ),
    starter(
        "phone of the member with the number 31 in club.json",
        'printf \'[{"nr": 30, "phone": "11"}, {"nr": 31, "phone": "22"}]\' > club.json',
        sh("python3 -c \"import json; print([m['phone'] for m in json.load(open('club.json')) if m['nr'] == 31][0])\""),
        answer="The phone is {0}.",
    ),
    starter(
        "raise the level of the elf in heroes.json by two",
        'printf \'{"elf": {"level": 4}, "orc": {"level": 7}}\' > heroes.json',
        sh(
            "python3 -c \"import json; d = json.load(open('heroes.json')); d['elf']['level'] += 2; "
            "json.dump(d, open('heroes.json', 'w'), indent=2)\" && cat heroes.json"
        ),
        answer="The level of the elf is now higher by two.",
    ),
)

LINES_LATER = (
    starter(
        "number of visits by the host 192.168.1.5 in proxy.trace, the host stands first",
        "printf '192.168.1.5 /a\\n192.168.1.55 /b\\n192.168.1.5 /c\\n' > proxy.trace",
        sh("awk '$1 == \"192.168.1.5\"' proxy.trace | wc -l"),
        answer="There are {0} visits.",
    ),
    starter(
        "how many WARN entries has tram.out on 2031-05-02",
        TRAM,
        sh("grep '2031-05-02' tram.out | grep -c 'WARN'"),
        answer="There are {0}.",
    ),
    starter(
        "when does WARN come up for the first time in tram.out",
        TRAM,
        sh("grep -m 1 'WARN' tram.out"),
        answer="The first is: {0}.",
    ),
    starter(
        "how many different sensors report in probe.out, they are written as sensor=NAME",
        "printf 'a sensor=n1 5\\nb sensor=n2 6\\nc sensor=n1 7\\n' > probe.out",
        sh("grep -oE 'sensor=[[:alnum:]]+' probe.out | sort -u | wc -l"),
        answer="{0} different sensors report.",
    ),
    starter(
        "the two drivers with the most trips in trips.lst, the driver is the third word of a line",
        "printf '1 x Bo\\n2 y Al\\n3 z Bo\\n4 x Cy\\n5 y Al\\n6 z Bo\\n' > trips.lst",
        sh("awk '{print $3}' trips.lst | sort | uniq -c | sort -rn | head -n 2"),
        answer="The two are {0}.",
    ),
    starter(
        "keep what is longer than 30 letters of chat.txt in wide.txt",
        "printf 'short\\nthis one is long enough to be kept here\\n' > chat.txt",
        sh("awk 'length > 30' chat.txt > wide.txt && cat wide.txt"),
        answer="wide.txt holds: {0}.",
    ),
    starter(
        "take each third line (3, 6, 9 ...) out of tape.out and store them as thirds.out",
        "printf '1\\n2\\n3\\n4\\n5\\n6\\n' > tape.out",
        sh("awk 'NR % 3 == 0' tape.out > thirds.out && cat thirds.out"),
        answer="thirds.out holds {0}.",
    ),
    starter(
        "begin all lines of wishes.txt with a dash and a space",
        "printf 'bike\\nbook\\n' > wishes.txt",
        sh("sed -i 's/^/- /' wishes.txt && cat wishes.txt"),
        answer="Every line of wishes.txt begins with a dash now.",
    ),
    starter(
        "add a semicolon to the end of all lines of query.ddl",
        "printf 'select 1\\nselect 2\\n' > query.ddl",
        sh("sed -i 's/$/;/' query.ddl && cat query.ddl"),
        answer="Every line of query.ddl ends with a semicolon now.",
    ),
    starter(
        "transfer what is ticked off with [v] in chores.org to gone.org, the rest remains in chores.org",
        "printf '%s\\n' '* [v] wash' '* [-] iron' '* [v] vacuum' > chores.org",
        sh(r"grep '\[v\]' chores.org > gone.org && sed -i '/\[v\]/d' chores.org && cat gone.org chores.org"),
        answer="The ticked ones are in gone.org, the rest is in chores.org.",
    ),
    starter(
        "store what alpha.lst and beta.lst both contain in shared.lst",
        "printf 'q\\nw\\ne\\n' > alpha.lst; printf 'e\\nr\\nq\\n' > beta.lst",
        sh("grep -Fxf alpha.lst beta.lst | sort -u > shared.lst && cat shared.lst"),
        answer="shared.lst holds {0}.",
    ),
    starter(
        "merge east.lst and west.lst into world.lst, sorted, nothing twice",
        "printf 'b\\na\\n' > east.lst; printf 'c\\nb\\n' > west.lst",
        sh("sort -u east.lst west.lst > world.lst && cat world.lst"),
        answer="world.lst holds {0}.",
    ),
    starter(
        "put numbers like 1) in front of the lines of steps.org and save that as steps-nr.org",
        "printf 'mix\\nbake\\n' > steps.org",
        sh("awk '{print NR \") \" $0}' steps.org > steps-nr.org && cat steps-nr.org"),
        answer="steps-nr.org holds {0}.",
    ),
    starter(
        "show from the line START to the line STOP of trace9.out",
        "printf 'a\\nSTART\\nb\\nSTOP\\nc\\n' > trace9.out",
        sh("sed -n '/START/,/STOP/p' trace9.out"),
        answer="The part is: {0}.",
    ),
    starter(
        "what is the last word of every line in ends.txt?",
        "printf 'go home\\ncome back soon\\n' > ends.txt",
        sh("awk '{print $NF}' ends.txt"),
        answer="The last words are {0}.",
    ),
    starter(
        "how many different words does lyrics.txt use, capitals or not",
        "printf 'La la Land\\nland ho\\n' > lyrics.txt",
        sh("tr -cs '[:alpha:]' '\\n' < lyrics.txt | tr '[:upper:]' '[:lower:]' | sort -u | grep -c ."),
        answer="It uses {0} different words.",
    ),
    starter(
        "only on line 4 of plan9.cfg turn off into on",
        "printf 'a off\\nb off\\nc off\\nd off\\n' > plan9.cfg",
        sh("sed -i '4s/off/on/' plan9.cfg && cat plan9.cfg"),
        answer="Line 4 of plan9.cfg says on now.",
    ),
)

FOLDERS_LATER = (
    starter(
        "make an archive NAME.tgz for every single folder in albums, beside the folder",
        "mkdir -p albums/one albums/two; touch albums/one/a albums/two/b",
        sh('for d in albums/*/; do tar -czf "${d%/}.tgz" -C albums "$(basename "$d")"; done; ls albums'),
        answer="albums now holds {0}.",
    ),
    starter(
        "erase all job folders in queue in which there is a file called DONE",
        "mkdir -p queue/a queue/b; touch queue/a/DONE queue/b/data",
        sh('for f in queue/*/DONE; do rm -r -- "$(dirname "$f")"; done; ls queue'),
        answer="queue now holds {0}.",
    ),
    starter(
        "which folders of plugins lack a manifest.xml?",
        "mkdir -p plugins/a plugins/b; touch plugins/a/manifest.xml",
        sh('for d in plugins/*/; do [ -e "$d/manifest.xml" ] || echo "$d"; done'),
        answer="These lack it: {0}.",
    ),
    starter(
        "turn each _ in the file names of clips into a -",
        "mkdir clips; touch clips/a_b_c.avi clips/d_e.avi",
        sh('for f in clips/*_*; do b="${f##*/}"; mv -n "$f" "clips/${b//_/-}"; done; ls clips'),
        answer="clips now holds {0}.",
    ),
    starter(
        "level must be 3 in all .conf files anywhere below etc2, no matter what it was",
        "mkdir -p etc2/sub; echo level=9 > etc2/a.conf; echo level=1 > etc2/sub/b.conf",
        sh("find etc2 -name '*.conf' -exec sed -i 's/^level=.*/level=3/' {} + && grep -r '^level' etc2"),
        answer="All of them say level=3 now.",
    ),
    starter(
        "the first line of every .sql file in schema shall be -- checked",
        "mkdir schema; echo 'select 1;' > schema/a.sql; echo 'select 2;' > schema/b.sql",
        sh("sed -i '1i -- checked' schema/*.sql && head -n 1 schema/*.sql"),
        answer="Every .sql file in schema now begins with -- checked.",
    ),
    starter(
        "copy what was changed in scans5 during May 2030 into the folder may",
        "mkdir scans5; touch -d 2030-05-09 scans5/a.tif; touch -d 2030-07-01 scans5/b.tif",
        sh(
            "mkdir -p may && find scans5 -type f -newermt 2030-05-01 ! -newermt 2030-06-01 -exec cp -t may {} + "
            "&& ls may"
        ),
        answer="may now holds {0}.",
    ),
    starter(
        "names that occur in the folder spring as well as in the folder autumn",
        "mkdir spring autumn; touch spring/a spring/b autumn/b autumn/c",
        sh("comm -12 <(ls spring) <(ls autumn)"),
        answer="Both have {0}.",
    ),
    starter(
        "collect all .wav files from any depth of takes in a new folder sound",
        "mkdir -p takes/x/y; touch takes/a.wav takes/x/y/b.wav",
        sh("mkdir -p sound && find takes -type f -name '*.wav' -exec mv -t sound {} + && ls sound"),
        answer="sound now holds {0}.",
    ),
    starter(
        "i need chapter1 to chapter5 as folders in novel, with an empty draft.tex in every one of them",
        "true",
        sh("mkdir -p novel/chapter{1..5} && touch novel/chapter{1..5}/draft.tex && find novel -type f | sort"),
        answer="They are there: {0}.",
    ),
    starter(
        "take the right to write away from group and others for what is in vaults",
        "mkdir vaults; touch vaults/a; chmod 666 vaults/a",
        sh("chmod go-w vaults/* && stat -c '%a %n' vaults/*"),
        answer="Only the owner may write to the files in vaults now.",
    ),
    starter(
        "where do the symbolic links of this folder lead?",
        "touch real.one; ln -s real.one short",
        sh("find . -maxdepth 1 -type l -printf '%p -> %l\\n'"),
        answer="They lead here: {0}.",
    ),
    starter(
        "which lua scripts under mods load the module socket",
        "mkdir -p mods/net; echo 'require \"socket\"' > mods/net/a.lua; echo '-- socket' > mods/b.lua",
        sh("grep -rlE '^require .socket' mods --include='*.lua'"),
        answer="These do: {0}.",
    ),
    starter(
        "how many days lie between 2031-03-04 and 2031-05-06?",
        "true",
        sh("echo $(( ($(date -ud 2031-05-06 +%s) - $(date -ud 2031-03-04 +%s)) / 86400 ))"),
        answer="{0} days lie between them.",
    ),
)

GIT_LATER = (
    starter(
        "number of commits that Robin made",
        REPO,
        sh("git log --author='Robin' --oneline | wc -l"),
        answer="Robin made {0} commits.",
    ),
    starter(
        "git should not see *.cache files any more; commit that as: Skip caches",
        REPO,
        sh(
            "echo '*.cache' >> .gitignore && git add .gitignore && git commit -q -m 'Skip caches' "
            "&& git log -1 --format=%s"
        ),
        answer="The commit is {0}.",
    ),
    starter(
        "begin a branch called trial and go there",
        REPO,
        sh("git switch -q -c trial && git branch --show-current"),
        answer="The branch is now {0}.",
    ),
    starter(
        "give app.js the name core.js in git, the commit shall be called New name",
        REPO,
        sh("git mv app.js core.js && git commit -q -m 'New name' && git log -1 --format=%s"),
        answer="The commit is {0}.",
    ),
)
