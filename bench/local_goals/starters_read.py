"""The starter examples about reading parts of files, comparing files and calculating."""

from __future__ import annotations

from bench.local_goals.starters import read, sh, starter

READ = (
    starter(
        "show schema.sql with numbers before the lines",
        "printf 'create table t (\\n  id int\\n);\\n' > schema.sql",
        sh("cat -n schema.sql"),
        answer="schema.sql with line numbers: {0}",
    ),
    starter(
        "which host does the [database] section of backend.ini name?",
        "printf '[web]\\nhost=front\\n[database]\\nhost=db7\\nuser=app\\n' > backend.ini",
        sh("sed -n '/^\\[database\\]/,/^\\[/p' backend.ini"),
        answer="The database host is db7.",
    ),
    starter(
        "look up the replicas value in deploy.yml",
        "printf 'service: cart\\nreplicas: 4\\nimage: cart:1.2\\n' > deploy.yml",
        sh("grep 'replicas:' deploy.yml"),
        answer="replicas is 4 in deploy.yml.",
    ),
    starter(
        "What is API_HOST set to in staging.env?",
        "printf 'API_PORT=81\\nAPI_HOST=api.test\\n' > staging.env",
        sh("grep '^API_HOST=' staging.env | cut -d= -f2-"),
        answer="API_HOST is set to {0}.",
    ),
    starter(
        "give me Nora's phone from phonebook.csv",
        "printf 'name,town,phone\\nIvo,Rome,551\\nNora,Oslo,773\\n' > phonebook.csv",
        sh("head -n 1 phonebook.csv && grep 'Nora' phonebook.csv"),
        answer="Nora's phone is 773.",
    ),
    starter(
        "which value is in the third column of the fourth row of matrix.tsv",
        "printf '1\\t2\\t3\\n4\\t5\\t6\\n7\\t8\\t9\\n10\\t11\\t12\\n' > matrix.tsv",
        sh("awk -F'\\t' 'NR==4 {print $3}' matrix.tsv"),
        answer="The value is {0}.",
    ),
    starter(
        "in order77.json, which city is the parcel shipped to",
        'echo \'{"id": 77, "shipping": {"address": {"city": "Lyon", "zip": "69001"}}}\' > order77.json',
        sh("cat order77.json"),
        sh("python3 -c \"import json; print(json.load(open('order77.json'))['shipping']['address']['city'])\""),
        answer="The parcel is shipped to {1}.",
    ),
    starter(
        "what are the top level keys of theme.json?",
        'echo \'{"colors": {"bg": "#fff"}, "font": "Inter", "dark": true}\' > theme.json',
        sh("python3 -c \"import json; print('\\n'.join(json.load(open('theme.json'))))\""),
        answer="The keys are {0}.",
    ),
    starter(
        "How many entries are in the players list of squad.json, and who are they?",
        'echo \'{"team": "U9", "players": [{"name": "Mo"}, {"name": "Eli"}, {"name": "Sam"}]}\' > squad.json',
        sh(
            "python3 -c \"import json; p = json.load(open('squad.json'))['players']; print(len(p)); "
            "print('\\n'.join(x['name'] for x in p))\""
        ),
        answer="There are 3 players: Mo, Eli and Sam.",
    ),
    starter(
        "on what line of glossary.adoc is entropy explained",
        "printf 'atom: small\\nenergy: work\\nentropy: disorder\\n' > glossary.adoc",
        sh("grep -n 'entropy' glossary.adoc"),
        answer="entropy is on line 3 of glossary.adoc.",
    ),
    starter(
        "what does nightly.sh do?",
        "printf '#!/bin/bash\\n# dump the database and keep 7 dumps\\npg_dump shop > dump.sql\\n' > nightly.sh",
        read("nightly.sh"),
        answer="nightly.sh dumps the database shop into dump.sql; its comment says that 7 dumps are kept.",
    ),
    starter(
        "list the headings of handbook.md",
        "printf '# Handbook\\ntext\\n## Safety\\nmore\\n## Tools\\n' > handbook.md",
        sh("grep '^#' handbook.md"),
        answer="The headings are {0}.",
    ),
    starter(
        "just the second word on every line of crew.lst",
        "printf 'Ann Lee pilot\\nBob Ray cook\\n' > crew.lst",
        sh("awk '{print $2}' crew.lst"),
        answer="The second words are {0}.",
    ),
    starter(
        "is numpy among the dependencies in pins.txt and at which version?",
        "printf 'scipy==1.11\\nnumpy==1.26.4\\nrich==13\\n' > pins.txt",
        sh("grep -i '^numpy' pins.txt || echo 'not there'"),
        answer="Yes, numpy is there at version 1.26.4.",
    ),
    starter(
        "which users in accounts.db have the shell /bin/zsh",
        "printf 'root:0:/bin/bash\\nkim:1000:/bin/zsh\\nlou:1001:/bin/zsh\\n' > accounts.db",
        sh("awk -F: '$3 == \"/bin/zsh\" {print $1}' accounts.db"),
        answer="/bin/zsh is the shell of {0}.",
    ),
)

COMPARE = (
    starter(
        "How do the directories release1 and release2 differ?",
        "mkdir release1 release2; echo 1 > release1/app.cfg; echo 2 > release2/app.cfg; touch release2/extra.so",
        sh("diff -rq release1 release2 || true"),
        answer="app.cfg differs, and extra.so is only in release2.",
    ),
    starter(
        "what is in the folder phone that is missing in the folder laptop",
        "mkdir phone laptop; touch phone/a.jpg phone/b.jpg phone/c.jpg laptop/b.jpg",
        sh('for f in phone/*; do [ -e "laptop/${f##*/}" ] || echo "${f##*/}"; done'),
        answer="Missing in laptop: {0}",
    ),
    starter(
        "which lines did menu-new.txt get that menu-old.txt did not have",
        "printf 'soup\\nfish\\n' > menu-old.txt; printf 'soup\\npie\\nfish\\ncake\\n' > menu-new.txt",
        sh("diff menu-old.txt menu-new.txt | grep '^>' | cut -c3-"),
        answer="New lines: {0}",
    ),
)

NUMBERS = (
    starter(
        "highest and lowest reading in gauge.dat",
        "printf '7\\n-2\\n31\\n12\\n' > gauge.dat",
        sh("sort -n gauge.dat | sed -n '1p;$p'"),
        answer="The lowest reading is -2 and the highest is 31.",
    ),
    starter(
        "who are the best three by points in standings.csv?",
        "printf 'team,points\\nOwls,31\\nBears,58\\nCrows,44\\nFoxes,12\\n' > standings.csv",
        sh("tail -n +2 standings.csv | sort -t, -k2 -nr | head -n 3"),
        answer="The best three are Bears with 58, Crows with 44 and Owls with 31.",
    ),
    starter(
        "what percentage of the checks in quality.out say PASS",
        "printf 'c1 PASS\\nc2 FAIL\\nc3 PASS\\nc4 PASS\\n' > quality.out",
        sh("awk '/PASS/ {n++} END {print 100*n/NR}' quality.out"),
        answer="{0} percent of the checks passed.",
    ),
    starter(
        "total amount for every category of spending.csv",
        "printf 'category,amount\\nfood,20\\nrent,500\\nfood,15\\n' > spending.csv",
        sh("awk -F, 'NR>1 {s[$1]+=$2} END {for (k in s) print k, s[k]}' spending.csv | sort"),
        answer="The totals are: {0}",
    ),
    starter(
        "what date is 45 days after 2026-02-01",
        "true",
        sh("date -d '2026-02-01 + 45 days' +%F"),
        answer="It is {0}.",
    ),
    starter(
        "what is 17 percent of 2350?",
        "true",
        sh('python3 -c "print(2350 * 17 / 100)"'),
        answer="17 percent of 2350 is {0}.",
    ),
)
