"""The starter examples about names, places, rights and archives of files, and about git."""

from __future__ import annotations

from bench.local_goals.starters import REPO, sh, starter

MANAGE = (
    starter(
        "give all .log files the suffix -2025 before the extension",
        "touch door.log lift.log lamp.txt",
        sh('for f in *.log; do mv -n "$f" "${f%.log}-2025.log"; done; ls'),
        answer="Renamed; the folder now holds {0}.",
    ),
    starter(
        "strip the IMG_ at the start of the picture names",
        "touch IMG_01.heic IMG_02.heic map.heic",
        sh('for f in IMG_*; do mv -n "$f" "${f#IMG_}"; done; ls'),
        answer="The names are now {0}.",
    ),
    starter(
        "number the clips in order: clip1.mp4, clip2.mp4 and so on",
        "touch beach.mp4 car.mp4 zoo.mp4",
        sh('i=1; for f in *.mp4; do mv -n "$f" "clip$i.mp4"; i=$((i+1)); done; ls'),
        answer="The clips are now {0}.",
    ),
    starter(
        "Sort the books into folders by their first letter",
        "mkdir books; touch books/atlas.epub books/bible.epub books/alice.epub",
        sh(
            'for f in books/*.epub; do n="${f##*/}"; d="books/${n:0:1}"; mkdir -p "$d"; mv -n "$f" "$d/"; done; '
            "find books -type f | sort"
        ),
        answer="The books are sorted: {0}",
    ),
    starter(
        "flatten the folder camera: bring everything in its subfolders up into camera",
        "mkdir -p camera/may camera/june/late; touch camera/may/a.nef camera/june/late/b.nef",
        sh("find camera -mindepth 2 -type f -exec mv -n -t camera {} + && find camera -type f | sort"),
        answer="camera now holds {0}.",
    ),
    starter(
        "copy only the .h headers from native to export, keeping the subfolders",
        "mkdir -p native/io native/ui export; touch native/io/disk.h native/io/disk.c native/ui/win.h",
        sh(
            "cd native && find . -name '*.h' -exec cp --parents {} ../export \\; && cd .. && find export -type f | sort"
        ),
        answer="Copied: {0}",
    ),
    starter(
        "keep a safe copy of every .cnf file with .orig at the end",
        "echo a > db.cnf; echo b > web.cnf",
        sh('for f in *.cnf; do cp -n "$f" "$f.orig"; done; ls'),
        answer="The copies are made; the folder now holds {0}.",
    ),
    starter(
        "move every memo that mentions Project Titan to the folder titan",
        "mkdir memos; echo 'Project Titan' > memos/m1; echo lunch > memos/m2; echo 'on Project Titan' > memos/m3",
        sh("mkdir -p titan && grep -rl 'Project Titan' memos | xargs -r mv -n -t titan && ls titan"),
        answer="I moved {0} to titan.",
    ),
    starter(
        "remove sessions older than 1 January 2025 from the folder sessions",
        "mkdir sessions; touch -d 2024-08-01 sessions/s1; touch -d 2025-03-01 sessions/s2",
        sh("find sessions -type f ! -newermt '2025-01-01' -print -delete; ls sessions"),
        answer="I removed sessions/s1; s2 is left.",
    ),
    starter(
        "throw out every zero byte file",
        "touch z1.tmp z2.tmp; echo data > keep.tmp",
        sh("find . -type f -empty -print -delete | sort"),
        answer="I removed {0}.",
    ),
    starter(
        "which mode bits has vault.key, in octal",
        "echo k > vault.key; chmod 640 vault.key",
        sh("stat -c '%a' vault.key"),
        answer="vault.key has the mode {0}.",
    ),
    starter(
        "let everybody read the files in handouts but only the owner write",
        "mkdir handouts; touch handouts/h1.pdf handouts/h2.pdf; chmod 600 handouts/*",
        sh("chmod 644 handouts/* && stat -c '%A %n' handouts/*"),
        answer="Everybody can read handouts/h1.pdf and handouts/h2.pdf; only the owner can write them.",
    ),
    starter(
        "all shell scripts below jobs must be runnable",
        "mkdir -p jobs/daily; touch jobs/sync.sh jobs/daily/dump.sh; chmod 644 jobs/sync.sh jobs/daily/dump.sh",
        sh("find jobs -name '*.sh' -exec chmod +x {} + && find jobs -name '*.sh' -perm -u+x | sort"),
        answer="Runnable now: {0}",
    ),
    starter(
        "set the modification date of contract.odt to 3 May 2024",
        "touch contract.odt",
        sh("touch -d '2024-05-03' contract.odt && stat -c '%y' contract.odt | cut -d' ' -f1"),
        answer="contract.odt is now dated {0}.",
    ),
    starter(
        "verify the checksums in MD5SUMS",
        "echo a > disk1.img; echo b > disk2.img; md5sum disk1.img disk2.img > MD5SUMS; echo x > disk2.img",
        sh("md5sum -c MD5SUMS 2>&1 || true"),
        answer="disk1.img is OK, but disk2.img failed the check.",
    ),
    starter(
        "what is the sha256 of firmware.rom?",
        "echo rom > firmware.rom",
        sh("sha256sum firmware.rom | cut -d' ' -f1"),
        answer="The sha256 of firmware.rom is {0}.",
    ),
    starter(
        "what is inside toolkit.tar.gz, do not unpack it",
        "mkdir kit; touch kit/axe kit/rope; tar --sort=name -czf toolkit.tar.gz kit; rm -r kit",
        sh("tar -tzf toolkit.tar.gz"),
        answer="toolkit.tar.gz holds {0}.",
    ),
    starter(
        "pack only the .md documents of wiki into wiki-docs.tar.gz",
        "mkdir -p wiki/en; touch wiki/home.md wiki/en/help.md wiki/logo.gif",
        sh("find wiki -name '*.md' | sort | tar -czf wiki-docs.tar.gz -T - && tar -tzf wiki-docs.tar.gz"),
        answer="wiki-docs.tar.gz holds {0}.",
    ),
    starter(
        "show what the compressed access.log.gz says without unpacking it",
        "printf 'GET /\\nGET /tea\\n' | gzip > access.log.gz",
        sh("zcat access.log.gz"),
        answer="It says: {0}",
    ),
    starter(
        "gunzip dump.sql.gz",
        "seq 5 | gzip > dump.sql.gz",
        sh("gunzip dump.sql.gz && ls && wc -l < dump.sql"),
        answer="dump.sql.gz is now dump.sql with 5 lines.",
    ),
)

REPO_TWO = REPO + "echo 'body {}' > skin.css; git add .; git commit -qm 'Add a skin'; "

GIT_DAILY = (
    starter(
        "which commits touched app.js?",
        REPO_TWO,
        sh("git log --oneline -- app.js"),
        answer="These commits touched app.js: {0}",
    ),
    starter(
        "who changed skin.css last and when",
        REPO_TWO,
        sh("git log -1 --format='%an %ad' --date=short -- skin.css"),
        answer="Last changed by {0}.",
    ),
    starter(
        "am I on main or on some other branch?",
        REPO + "git switch -qc trial",
        sh("git branch --show-current"),
        answer="You are on {0}.",
    ),
    starter(
        "commit everything that is changed or new, message Polish the page",
        REPO + "echo v3 >> app.js; echo hi > about.md",
        sh('git add -A && git commit -q -m "Polish the page" && git status --short && git log --oneline -n 1'),
        answer="Committed: {0}",
    ),
    starter(
        "the message of my last commit should be Add the top menu",
        REPO,
        sh("git commit -q --amend -m \"Add the top menu\" && git log -1 --format='%s'"),
        answer="The last commit message is now: {0}",
    ),
    starter(
        "get app.js back as it was one commit ago",
        REPO,
        sh("git checkout -q HEAD~1 -- app.js && cat app.js"),
        answer="app.js is as it was one commit ago: {0}",
    ),
    starter(
        "what exactly did i alter in app.js since committing",
        REPO + "sed -i 's/v1/v9/' app.js",
        sh("git diff -U0 app.js | tail -n 2"),
        answer="The line v1 became v9.",
    ),
    starter(
        "put my unfinished work aside with git stash",
        REPO + "echo half >> app.js",
        sh("git stash -q && git stash list && git status --short"),
        answer="Your changes are put aside as stash@{{0}}; the working copy is clean.",
    ),
    starter(
        "rename app.js to shop.js inside git and commit that",
        REPO,
        sh('git mv app.js shop.js && git commit -q -m "Rename app.js to shop.js" && git ls-files'),
        answer="Committed; the repository now holds {0}.",
    ),
    starter(
        "who wrote line 2 of app.js, and in which commit",
        REPO,
        sh("git blame -L 2,2 app.js"),
        answer="Example wrote it, in commit 549109c9.",
    ),
    starter(
        "undo the last commit but leave the change in place",
        REPO,
        sh("git reset -q --soft HEAD~1 && git log --oneline && git status --short"),
        answer="The last commit is undone; the change to app.js is still staged.",
    ),
    starter(
        "how many commits did each author make",
        REPO_TWO,
        sh("git log --format='%an' | sort | uniq -c | sort -rn"),
        answer="Commits by author: {0}",
    ),
    starter(
        "find the commit whose message says menu",
        REPO_TWO,
        sh("git log --oneline -i --grep='menu'"),
        answer="The commit is {0}.",
    ),
    starter(
        "delete the branch attic, it is merged",
        REPO + "git branch attic",
        sh("git branch -q -d attic && git branch --format='%(refname:short)'"),
        answer="attic is deleted; what is left: {0}",
    ),
    starter(
        "stop tracking cache.db with git yet leave it on disk",
        REPO + "echo c > cache.db; git add .; git commit -qm 'Add the cache'; ",
        sh("git rm -q --cached cache.db && echo 'cache.db' >> .gitignore && git status --short && ls cache.db"),
        answer="git no longer tracks cache.db; the file is still there.",
    ),
)
