"""The starter examples about making files and about changing what is in them."""

from __future__ import annotations

from bench.local_goals.starters import read, sh, starter, write

MAKE = (
    starter(
        "make a csv pets.csv with the columns name and age and two rows: Rex 4, Tom 7",
        "true",
        sh('printf \'%s\\n\' "name,age" "Rex,4" "Tom,7" > pets.csv && cat pets.csv'),
        answer="I wrote pets.csv with the header name,age and the rows of Rex and Tom.",
    ),
    starter(
        "write window.json with width 800 and height 600",
        "true",
        write("window.json", '{\n  "width": 800,\n  "height": 600\n}\n'),
        sh("python3 -m json.tool window.json"),
        answer="I wrote window.json with width 800 and height 600.",
    ),
    starter(
        "Put an empty __init__.py into every folder below engine",
        "mkdir -p engine/core engine/gui",
        sh("find engine -type d -exec touch {}/__init__.py \\; && find engine -name '__init__.py' | sort"),
        answer="Every folder has one: {0}",
    ),
    starter(
        "build a table of contents toc.md from the headings of tutorial.md",
        "printf '# Start\\ntext\\n# Install\\nmore\\n# Use\\n' > tutorial.md",
        sh("grep '^# ' tutorial.md | sed 's/^# /- /' > toc.md && cat toc.md"),
        answer="toc.md lists Start, Install and Use.",
    ),
    starter(
        "generate 12 files invoice_01.tex up to invoice_12.tex, each one saying Invoice and its number",
        "true",
        sh(
            'for i in $(seq -w 1 12); do echo "Invoice $i" > "invoice_$i.tex"; done; '
            "ls invoice_*.tex | wc -l; cat invoice_12.tex"
        ),
        answer="I generated 12 files; the last one says Invoice 12.",
    ),
    starter(
        "extract the email column of members.csv into emails.lst, no header",
        "printf 'id,email\\n1,a@x.org\\n2,b@y.org\\n' > members.csv",
        sh("head -n 2 members.csv"),
        sh("tail -n +2 members.csv | cut -d, -f2 > emails.lst && cat emails.lst"),
        answer="emails.lst holds {1}.",
    ),
    starter(
        "i need a python program even_numbers.py which prints the even numbers from 2 to 10; run it too",
        "true",
        write("even_numbers.py", "for n in range(2, 11, 2):\n    print(n)\n"),
        sh("python3 even_numbers.py"),
        answer="even_numbers.py prints {1}.",
    ),
    starter(
        "cut long.dat into pieces of 100 lines each",
        "seq 250 > long.dat",
        sh("split -l 100 -d long.dat long.dat. && wc -l long.dat.*"),
        answer="long.dat is cut into long.dat.00, long.dat.01 and long.dat.02 with 100, 100 and 50 lines.",
    ),
)

CHANGE = (
    starter(
        "append the line -- end -- to every poem in the folder poems",
        "mkdir poems; echo rose > poems/p1.txt; echo tree > poems/p2.txt",
        sh('for f in poems/*; do printf \'%s\\n\' "-- end --" >> "$f"; done; tail -n 1 poems/*'),
        answer="Both poems now end with the line -- end --.",
    ),
    starter(
        "insert - bolts under the line Hardware in depot.md",
        "printf 'Food\\nHardware\\nPaint\\n' > depot.md",
        sh("sed -i '/^Hardware$/a - bolts' depot.md && cat depot.md"),
        answer="- bolts now stands under Hardware in depot.md.",
    ),
    starter(
        "Delete lines 2 to 4 of transcript.srt",
        "printf 'one\\ntwo\\nthree\\nfour\\nfive\\n' > transcript.srt",
        sh("sed -i '2,4d' transcript.srt && cat transcript.srt"),
        answer="transcript.srt now holds {0}.",
    ),
    starter(
        "take out the last line of ledger.dat",
        "printf '10\\n20\\ntotal 30\\n' > ledger.dat",
        sh("sed -i '$d' ledger.dat && cat ledger.dat"),
        answer="The last line is gone; ledger.dat holds {0}.",
    ),
    starter(
        "replace only the whole word cat with dog in zoo.txt",
        "printf 'the cat sat\\nconcatenate\\ncat\\n' > zoo.txt",
        sh("sed -i 's/\\bcat\\b/dog/g' zoo.txt && cat zoo.txt"),
        answer="zoo.txt now reads: {0}",
    ),
    starter(
        "line 2 of banner.txt should be Open till nine",
        "printf 'Welcome\\nOpen till six\\nThanks\\n' > banner.txt",
        sh("sed -i '2s/.*/Open till nine/' banner.txt && cat banner.txt"),
        answer="Line 2 of banner.txt is now Open till nine.",
    ),
    starter(
        "make sure max_clients is 50 in proxy.conf, whatever it is now",
        "printf 'port = 3128\\nmax_clients = 200\\ncache = on\\n' > proxy.conf",
        sh("cat proxy.conf"),
        sh("sed -i 's/^max_clients = .*/max_clients = 50/' proxy.conf && grep 'max_clients' proxy.conf"),
        answer="max_clients is now 50 in proxy.conf.",
    ),
    starter(
        "uncomment the line with ipv6 in stack.conf",
        "printf 'ipv4=yes\\n#ipv6=yes\\n# other\\n' > stack.conf",
        sh("sed -i '/ipv6/s/^# *//' stack.conf && cat stack.conf"),
        answer="ipv6=yes is active in stack.conf now.",
    ),
    starter(
        "add export EDITOR=vim to my.bashrc, but only if it is not there yet",
        "printf 'alias l=ls\\n' > my.bashrc",
        sh(
            'grep -qxF "export EDITOR=vim" my.bashrc || printf \'%s\\n\' "export EDITOR=vim" >> my.bashrc; '
            "cat my.bashrc"
        ),
        answer="my.bashrc now has the line export EDITOR=vim.",
    ),
    starter(
        "all letters of tags.txt to lower case",
        "printf 'Linux\\nBSD\\nmacOS\\n' > tags.txt",
        sh("sed -i 's/.*/\\L&/' tags.txt && cat tags.txt"),
        answer="tags.txt now holds {0}.",
    ),
    starter(
        "clean the trailing whitespace from the lines of essay.rst",
        "printf 'dawn  \\nday\\t\\nnight\\n' > essay.rst",
        sh("sed -i 's/[[:space:]]*$//' essay.rst && cat -A essay.rst"),
        answer="No line of essay.rst ends in blanks any more.",
    ),
    starter(
        "get the blank lines out of script.txt",
        "printf 'Act 1\\n\\nEnter Hal\\n\\n\\nExit\\n' > script.txt",
        sh("sed -i '/^[[:space:]]*$/d' script.txt && cat script.txt"),
        answer="The blank lines are gone; script.txt holds {0}.",
    ),
    starter(
        "turn the list in fruits.lst into one line with commas, saved as fruits-line.txt",
        "printf 'fig\\nplum\\nkiwi\\n' > fruits.lst",
        sh("paste -sd, fruits.lst > fruits-line.txt && cat fruits-line.txt"),
        answer="fruits-line.txt holds {0}.",
    ),
    starter(
        "flights.csv uses semicolons; make them commas",
        "printf 'from;to\\nOSL;LIS\\n' > flights.csv",
        sh("sed -i 's/;/,/g' flights.csv && cat flights.csv"),
        answer="flights.csv uses commas now: {0}",
    ),
    starter(
        "convert the tab separated genes.tsv to genes.csv",
        "printf 'gene\\tlen\\nabc\\t12\\n' > genes.tsv",
        sh("tr '\\t' ',' < genes.tsv > genes.csv && cat genes.csv"),
        answer="genes.csv now holds {0}.",
    ),
    starter(
        "swap the two columns of pairs.csv",
        "printf 'en,fr\\nsea,mer\\nsun,soleil\\n' > pairs.csv",
        sh("awk -F, '{print $2 \",\" $1}' pairs.csv > pairs.new && mv pairs.new pairs.csv && cat pairs.csv"),
        answer="The columns of pairs.csv are swapped: {0}",
    ),
    starter(
        "drop the third column from survey.csv",
        "printf 'id,age,ip,vote\\n1,33,::1,yes\\n' > survey.csv",
        sh("cut -d, -f1,2,4- survey.csv > survey.new && mv survey.new survey.csv && cat survey.csv"),
        answer="survey.csv has no third column any more: {0}",
    ),
    starter(
        "sort runners.csv by time, the header has to stay on top",
        "printf 'runner,time\\nKip,52\\nLeo,47\\nMax,61\\n' > runners.csv",
        sh(
            "(head -n 1 runners.csv; tail -n +2 runners.csv | sort -t, -k2 -n) > runners.new "
            "&& mv runners.new runners.csv && cat runners.csv"
        ),
        answer="runners.csv is sorted by time: Leo, Kip, Max.",
    ),
    starter(
        "reverse the order of the lines of countdown.txt",
        "seq 3 > countdown.txt",
        sh("tac countdown.txt > countdown.new && mv countdown.new countdown.txt && cat countdown.txt"),
        answer="countdown.txt is reversed: {0}",
    ),
    starter(
        "rename the key colour to color in paint.json",
        'echo \'{"colour": "red", "coats": 2}\' > paint.json',
        sh(
            "python3 -c \"import json; d = json.load(open('paint.json')); d['color'] = d.pop('colour'); "
            "json.dump(d, open('paint.json', 'w'), indent=2)\" && cat paint.json"
        ),
        answer="The key is now called color in paint.json.",
    ),
    starter(
        "add Zara to the guests array of party.json",
        'echo \'{"place": "roof", "guests": ["Ali", "Kim"]}\' > party.json',
        sh(
            "python3 -c \"import json; d = json.load(open('party.json')); d['guests'].append('Zara'); "
            "json.dump(d, open('party.json', 'w'), indent=2)\" && cat party.json"
        ),
        answer="Zara is now in the guests of party.json.",
    ),
    starter(
        "remove the password entry from login.json",
        'echo \'{"user": "amy", "password": "x1"}\' > login.json',
        sh(
            "python3 -c \"import json; d = json.load(open('login.json')); del d['password']; "
            "json.dump(d, open('login.json', 'w'), indent=2)\" && cat login.json"
        ),
        answer="login.json has no password entry any more.",
    ),
    starter(
        "find the page that says Opening hours and change its 18:00 to 20:00",
        "mkdir pages; echo 'Opening hours: 9:00-18:00' > pages/visit.html; echo 'Train leaves 18:00' > pages/way.html",
        sh("grep -rl 'Opening hours' pages"),
        sh("sed -i 's/18:00/20:00/g' pages/visit.html && cat pages/visit.html"),
        answer="I changed 18:00 to 20:00 in pages/visit.html.",
    ),
    starter(
        "price.py crashes when it is run; repair it and run it again",
        'printf \'prices = {"tea": 3, "cake": 5}\\nprint(prices["te"] + prices["cake"])\\n\' > price.py',
        sh("cat price.py; python3 price.py 2>&1 | tail -n 1"),
        sh('sed -i \'s/"te"/"tea"/\' price.py && python3 price.py'),
        answer="price.py asked for the key te, which is not there; with tea it runs and prints {1}.",
    ),
    starter(
        "sum up the hours in timesheet.csv and write the sum to hours-total.txt",
        "printf 'day,hours\\nMon,7\\nTue,8\\nWed,6\\n' > timesheet.csv",
        sh("head -n 2 timesheet.csv"),
        sh("awk -F, 'NR>1 {s+=$2} END {print s}' timesheet.csv > hours-total.txt && cat hours-total.txt"),
        answer="I wrote the sum, {1}, to hours-total.txt.",
    ),
    starter(
        "what port does listen.toml use? raise it by one",
        "printf 'host = \"any\"\\nport = 7000\\n' > listen.toml",
        read("listen.toml"),
        sh("sed -i 's/^port = 7000$/port = 7001/' listen.toml && grep 'port' listen.toml"),
        answer="The port was 7000 and is now 7001.",
    ),
)
