"""More starter examples: creating, changing, moving, packing, git. Each shows its effect at the end."""

from __future__ import annotations

from bench.local_goals.starters import REPO, read, sh, starter, write

MAKE_MORE = (
    starter(
        "i want folders api/v1 and api/v2",
        "true",
        sh("mkdir -p api/v1 api/v2 && find api -type d | sort"),
        answer="I created api/v1 and api/v2.",
    ),
    starter(
        "write planets.lst with mercury, venus and earth, one per line",
        "true",
        sh("printf '%s\\n' mercury venus earth > planets.lst && cat planets.lst"),
        answer="I wrote planets.lst with 3 lines.",
    ),
    starter(
        "create ids.lst holding the numbers 1 to 40",
        "true",
        sh("seq 40 > ids.lst && wc -l ids.lst"),
        answer="I created ids.lst with 40 lines.",
    ),
    starter(
        "create a bash script greet.sh that says Hi there and make it runnable",
        "true",
        write("greet.sh", '#!/bin/bash\necho "Hi there"\n'),
        sh("chmod +x greet.sh && ./greet.sh"),
        answer="I created greet.sh; it prints Hi there.",
    ),
    starter(
        "make empty files day01.log to day05.log",
        "true",
        sh("touch day0{1..5}.log && ls day*.log"),
        answer="I created day01.log to day05.log.",
    ),
    starter(
        "put the names of all png files into gallery.lst, sorted",
        "touch b.png a.png",
        sh("ls *.png | sort > gallery.lst && cat gallery.lst"),
        answer="gallery.lst holds a.png and b.png.",
    ),
    starter(
        "write the checksums of all iso files to SUMS",
        "echo a > a.iso; echo b > b.iso",
        sh("sha256sum *.iso > SUMS && sha256sum -c SUMS"),
        answer="I wrote SUMS, and both files check.",
    ),
)

CHANGE_MORE = (
    starter(
        "set the workers to 16 in pool.yml",
        "printf 'name: p\\nworkers: 4\\n' > pool.yml",
        sh("sed -i 's/^workers:.*/workers: 16/' pool.yml && cat pool.yml"),
        answer="workers is 16 in pool.yml now.",
    ),
    starter(
        "sort words.lst in place",
        "printf 'c\\na\\nb\\n' > words.lst",
        sh("sort -o words.lst words.lst && cat words.lst"),
        answer="words.lst is sorted: a, b, c.",
    ),
    starter(
        "drop repeated lines from hosts.lst but keep the order",
        "printf 'b\\na\\nb\\n' > hosts.lst",
        sh("awk '!seen[$0]++' hosts.lst > hosts.new && mv hosts.new hosts.lst && cat hosts.lst"),
        answer="hosts.lst has no repeated lines now.",
    ),
    starter(
        "insert the line import sys at the top of tool.py",
        "echo 'print(1)' > tool.py",
        sh("sed -i '1i import sys' tool.py && head -n 2 tool.py"),
        answer="import sys is the first line of tool.py.",
    ),
    starter(
        "comment out the debug line in env.conf",
        "printf 'debug on\\nport 1\\n' > env.conf",
        sh("sed -i '/^debug/s/^/# /' env.conf && cat env.conf"),
        answer="The debug line is commented out.",
    ),
    starter(
        "turn the text of label.tex into capital letters",
        "echo 'hello there' > label.tex",
        sh("tr '[:lower:]' '[:upper:]' < label.tex > label.new && mv label.new label.tex && cat label.tex"),
        answer="label.tex is in capital letters now.",
    ),
    starter(
        "strip the carriage returns (CR LF) that dos.bat has",
        "printf 'a\\r\\nb\\r\\n' > dos.bat",
        sh("sed -i 's/\\r$//' dos.bat && cat -A dos.bat"),
        answer="dos.bat has unix line endings now.",
    ),
    starter(
        "replace http with https in every html page below public",
        "mkdir -p public/en; echo 'http://a' > public/x.html; echo 'http://b' > public/en/y.html",
        sh("find public -name '*.html' -exec sed -i 's#http://#https://#g' {} + && grep -rn 'https' public | sort"),
        answer="http was replaced with https in public/x.html and public/en/y.html.",
    ),
    starter(
        "join jan.csv and feb.csv into year.csv with a single header",
        "printf 'd,v\\n1,2\\n' > jan.csv; printf 'd,v\\n3,4\\n' > feb.csv",
        sh("cat jan.csv > year.csv && tail -n +2 feb.csv >> year.csv && cat year.csv"),
        answer="year.csv has the header once and 2 rows.",
    ),
    starter(
        "number the lines of todo.rst and store that as numbered.rst",
        "printf 'a\\nb\\n' > todo.rst",
        sh("nl -ba todo.rst > numbered.rst && cat numbered.rst"),
        answer="I stored the numbered lines in numbered.rst.",
    ),
    starter(
        "the version in my-setup.cfg should be one higher in the last place",
        "echo 'version = 1.4.2' > my-setup.cfg",
        read("my-setup.cfg"),
        sh("sed -i 's/^version = .*/version = 1.4.3/' my-setup.cfg && cat my-setup.cfg"),
        answer="The version is 1.4.3 now.",
    ),
    starter(
        "add a column total to cart.csv, price times count",
        "printf 'price,count\\n2,3\\n4,5\\n' > cart.csv",
        sh(
            "awk -F, -v OFS=, 'NR==1 {print $0,\"total\"; next} {print $0,$1*$2}' cart.csv > c.new "
            "&& mv c.new cart.csv && cat cart.csv"
        ),
        answer="cart.csv has a column total now.",
    ),
)

MOVE_MORE = (
    starter(
        "rename the pictures so that their names are in lower case",
        "mkdir pics; touch pics/ONE.JPG pics/Two.Png",
        sh('for f in pics/*; do n="$(basename "$f")"; mv -n "$f" "pics/${n,,}"; done; ls pics'),
        answer="The names are in lower case: one.jpg, two.png.",
    ),
    starter(
        "rename old-plan.doc to plan.doc",
        "echo x > old-plan.doc",
        sh("mv -n old-plan.doc plan.doc && ls"),
        answer="old-plan.doc is plan.doc now.",
    ),
    starter(
        "move files over 2000 bytes from incoming into big",
        "mkdir incoming; head -c 3000 /dev/zero > incoming/a; echo s > incoming/b",
        sh("mkdir -p big && find incoming -type f -size +2000c -exec mv -n -t big {} + && ls big"),
        answer="I moved a into big.",
    ),
    starter(
        "sort the scans into one folder per year, the year is the start of the name",
        "mkdir scans2; touch scans2/2019-a.tif scans2/2020-b.tif",
        sh(
            'for f in scans2/*.tif; do b="$(basename "$f")"; y="${b%%-*}"; mkdir -p "scans2/$y"; '
            'mv -n "$f" "scans2/$y/"; done; find scans2 -type f | sort'
        ),
        answer="The scans are in scans2/2019 and scans2/2020.",
    ),
    starter(
        "remove all swap files except keep.swp",
        "touch a.swp b.swp keep.swp",
        sh("find . -maxdepth 1 -name '*.swp' ! -name keep.swp -type f -print -delete | sort; ls"),
        answer="I removed a.swp and b.swp; keep.swp is still there.",
    ),
    starter(
        "get rid of .o files and build folders everywhere below here",
        "mkdir -p x/build; touch x/a.o x/build/b.o x/c.c",
        sh("find . -name '*.o' -type f -delete; find . -depth -name build -type d -exec rm -r {} +; find . -type f"),
        answer="Only x/c.c is left.",
    ),
    starter(
        "delete the empty directories below tree",
        "mkdir -p tree/a/b tree/c; touch tree/c/f",
        sh("find tree -mindepth 1 -type d -empty -delete; find tree | sort"),
        answer="The empty directories are gone; tree/c is left.",
    ),
    starter(
        "copy the toml files from conf into a new folder conf-copy",
        "mkdir conf; touch conf/a.toml conf/b.txt",
        sh("mkdir -p conf-copy && cp conf/*.toml conf-copy/ && ls conf-copy"),
        answer="I copied a.toml into conf-copy.",
    ),
    starter(
        "swap the files left.dat and right.dat",
        "echo l > left.dat; echo r > right.dat",
        sh("mv left.dat swap.tmp && mv right.dat left.dat && mv swap.tmp right.dat && head left.dat right.dat"),
        answer="left.dat and right.dat are swapped.",
    ),
    starter(
        "make secrets.env readable by its owner only",
        "echo k > secrets.env",
        sh("chmod 600 secrets.env && stat -c '%a %n' secrets.env"),
        answer="secrets.env has the mode 600 now.",
    ),
    starter(
        "make a symbolic link newest to release-9",
        "mkdir release-9",
        sh("ln -s release-9 newest && readlink newest"),
        answer="newest links to release-9.",
    ),
    starter(
        "which archive holds manual.pdf?",
        "touch manual.pdf other; tar czf a.tgz other; tar czf b.tgz manual.pdf; rm manual.pdf other",
        sh('for a in *.tgz; do tar tzf "$a" | grep -q "manual.pdf" && echo "$a"; done'),
        answer="manual.pdf is in {0}.",
    ),
    starter(
        "take only notes/todo.md out of backup7.tgz",
        "mkdir notes; echo t > notes/todo.md; echo o > notes/old.md; tar czf backup7.tgz notes; rm -r notes",
        sh("tar xzf backup7.tgz notes/todo.md && find notes -type f"),
        answer="I extracted notes/todo.md.",
    ),
    starter(
        "compress huge.sql with gzip and keep the original",
        "seq 100 > huge.sql",
        sh("gzip -k huge.sql && ls huge.sql*"),
        answer="I made huge.sql.gz and kept huge.sql.",
    ),
)

GIT_MORE = (
    starter(
        "author of HEAD?",
        REPO,
        sh("git log -1 --format='%an'"),
        answer="{0} wrote the newest commit.",
    ),
    starter(
        "length of the git history, as a count of commits",
        REPO,
        sh("git rev-list --count HEAD"),
        answer="There are {0} commits.",
    ),
    starter(
        "what was in app.js in the first commit",
        REPO,
        sh('git show "$(git rev-list --max-parents=0 HEAD):app.js"'),
        answer="It held: {0}",
    ),
    starter(
        "throw away my changes to app.js",
        REPO + "echo junk >> app.js",
        sh("git restore app.js && git status --short && cat app.js"),
        answer="app.js is as in the last commit.",
    ),
    starter(
        "tell git to ignore the dist folder",
        REPO,
        sh("echo 'dist/' >> .gitignore && cat .gitignore"),
        answer="dist/ is in .gitignore now.",
    ),
    starter(
        "tag this commit as v2.0",
        REPO,
        sh("git tag v2.0 && git tag --list"),
        answer="The commit is tagged {0}.",
    ),
    starter(
        "which branches exist",
        REPO + "git branch idea",
        sh("git branch --format='%(refname:short)'"),
        answer="The branches are: {0}",
    ),
    starter(
        "bring what was done on idea over to main with git merge",
        REPO + "git switch -qc idea; echo i > idea.txt; git add .; git commit -qm Idea; git switch -q main",
        sh("git merge -q --no-edit idea && git log --oneline -n 1"),
        answer="idea is merged into main.",
    ),
)
