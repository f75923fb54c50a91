"""The starter examples as data: a goal, a directory to try it in, the calls that solve it and the answer.

Written from general knowledge of what people do in a shell, before the benchmark goals beside them; a test holds the
two sets apart. `{0}`, `{1}` in an answer stand for what step 0, 1 really gave when the files were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of an example."""

    tool: str
    args: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Starter:
    """One solved goal; `setup` is a bash script that builds the directory that the calls run in."""

    goal: str
    setup: str
    calls: tuple[Call, ...]
    answer: str


def sh(command: str) -> Call:
    return Call("shell", {"command": command})


def read(path: str) -> Call:
    return Call("read_file", {"path": path})


def write(path: str, content: str) -> Call:
    return Call("write_file", {"path": path, "content": content})


def edit(path: str, old: str, new: str) -> Call:
    return Call("edit_file", {"path": path, "old": old, "new": new})


def files(pattern: str) -> Call:
    return Call("list_files", {"pattern": pattern})


def search(pattern: str) -> Call:
    return Call("search_files", {"pattern": pattern})


def starter(goal: str, setup: str, *calls: Call, answer: str) -> Starter:
    return Starter(goal, setup, calls, answer)


REPO = (
    "git init -q -b main; echo 'v1' > app.js; git add .; git commit -qm 'First draft'; "
    "echo 'v2' >> app.js; git commit -qam 'Add the menu'; "
)

COUNT_AND_FIND = (
    starter(
        "count the shell scripts in this folder and below",
        "mkdir -p bin lib/old; touch bin/run.sh bin/stop.sh lib/old/deploy.sh lib/readme.txt",
        sh("find . -name '*.sh' -type f | wc -l"),
        answer="There are {0} shell scripts.",
    ),
    starter(
        "how long is poem.txt in lines",
        "seq 14 > poem.txt",
        sh("wc -l < poem.txt"),
        answer="poem.txt has {0} lines.",
    ),
    starter(
        "How many words does essay.md have?",
        "printf 'One fine day\\nthe rain came back.\\n' > essay.md",
        sh("wc -w < essay.md"),
        answer="essay.md has {0} words.",
    ),
    starter(
        "where is the file router.conf?",
        "mkdir -p etc/net/home; touch etc/net/home/router.conf etc/net/host.conf",
        sh("find . -name 'router.conf' -type f"),
        answer="It is at {0}.",
    ),
    starter(
        "list files larger than 100 kilobytes",
        "mkdir -p video; head -c 150000 /dev/zero > video/clip.mov; head -c 90000 /dev/zero > photo.png; touch s.txt",
        sh("find . -type f -size +100k"),
        answer="Larger than 100 kB: {0}",
    ),
    starter(
        "what is the biggest file below assets",
        "mkdir -p assets/img; head -c 4000 /dev/zero > assets/img/hero.webp; head -c 700 /dev/zero > assets/icon.svg",
        sh("find assets -type f -printf '%s %p\\n' | sort -rn | head -n 1"),
        answer="The biggest file is assets/img/hero.webp with 4000 bytes.",
    ),
    starter(
        "which files mention the word deprecated",
        "mkdir -p api; echo 'x is deprecated' > api/old.rs; echo fine > api/new.rs; echo deprecated > NOTES",
        sh("grep -rl 'deprecated' . | sort"),
        answer="These files mention it: {0}",
    ),
    starter(
        "show every FIXME with its file and line number",
        "mkdir -p app; printf 'let a = 1\\n// FIXME rounding\\n' > app/sum.ts; printf '// FIXME slow\\n' > app/net.ts",
        search("FIXME"),
        answer="{0}",
    ),
    starter(
        "are there any empty files here? name them",
        "touch blank.log void.tmp; echo text > full.txt",
        sh("find . -type f -empty | sort"),
        answer="Yes, these are empty: {0}",
    ),
    starter(
        "which file in uploads was changed last",
        "mkdir uploads; touch -d 2026-03-01 uploads/a.pdf; touch -d 2026-05-09 uploads/c.pdf; "
        "touch -d 2026-04-02 uploads/b.pdf",
        sh("ls -t uploads | head -n 1"),
        answer="{0} was changed last.",
    ),
    starter(
        "list the files not touched since 1 June 2025",
        "touch -d 2024-02-03 tax.ods; touch -d 2025-04-30 rent.ods; touch -d 2026-01-08 budget.ods",
        sh("find . -type f ! -newermt '2025-06-01' | sort"),
        answer="Not changed since then: {0}",
    ),
    starter(
        "how many files of each extension are there",
        "touch a.c b.c c.h x.o",
        sh("find . -type f -name '*.*' | sed 's/.*\\.//' | sort | uniq -c | sort -rn"),
        answer="Files by extension: {0}",
    ),
)

MAKE_AND_MOVE = (
    starter(
        "make a file greeting.txt that says Good morning",
        "true",
        write("greeting.txt", "Good morning\n"),
        answer="I created greeting.txt with the text Good morning.",
    ),
    starter(
        "create a folder trip with empty files packing.txt and tickets.txt in it",
        "true",
        sh("mkdir -p trip && touch trip/packing.txt trip/tickets.txt && ls trip"),
        answer="The folder trip now holds {0}.",
    ),
    starter(
        "make five numbered files day1.md to day5.md",
        "true",
        sh('for i in $(seq 1 5); do touch "day$i.md"; done; ls day*.md'),
        answer="Created {0}.",
    ),
    starter(
        "rename all .jpeg files to .jpg",
        "touch beach.jpeg 'old town.jpeg' map.gif",
        sh('for f in *.jpeg; do mv -n "$f" "${f%.jpeg}.jpg"; done; ls'),
        answer="Renamed; the folder now holds {0}.",
    ),
    starter(
        "put draft- in front of every chapter file name",
        "touch chapter1.tex chapter2.tex cover.tex",
        sh('for f in chapter*.tex; do mv -n "$f" "draft-$f"; done; ls'),
        answer="Done; the folder now holds {0}.",
    ),
    starter(
        "replace spaces by underscores in the file names",
        "touch 'my song.ogg' 'her new song.ogg' done.ogg",
        sh('for f in *\\ *; do mv -n "$f" "${f// /_}"; done; ls'),
        answer="The names are now {0}.",
    ),
    starter(
        "move the mp3 files into a folder called music",
        "touch intro.mp3 outro.mp3 sleeve.png",
        sh("mkdir -p music && mv -n *.mp3 music/ && ls music"),
        answer="music now holds {0}.",
    ),
    starter(
        "make a copy of the folder templates named site",
        "mkdir -p templates/parts; echo a > templates/page.html; echo b > templates/parts/nav.html",
        sh("cp -r templates site && find site -type f | sort"),
        answer="Copied: {0}",
    ),
    starter(
        "delete all .bak files, also in subfolders",
        "mkdir -p conf/old; touch main.bak conf/x.bak conf/old/y.bak conf/keep.ini",
        sh("find . -name '*.bak' -type f -print -delete | wc -l"),
        answer="I deleted {0} .bak files.",
    ),
    starter(
        "remove the folder cache_tmp and everything in it",
        "mkdir -p cache_tmp/a; touch cache_tmp/a/1 cache_tmp/2; touch keep.me",
        sh("rm -r cache_tmp && ls"),
        answer="cache_tmp is gone; what is left: {0}",
    ),
    starter(
        "make install.sh executable",
        "echo 'echo hi' > install.sh; chmod 644 install.sh",
        sh("chmod +x install.sh && stat -c '%A %n' install.sh"),
        answer="install.sh can be run now: {0}",
    ),
    starter(
        "pack the folder photos into photos.tar.gz",
        "mkdir photos; echo 1 > photos/one.raw",
        sh("tar -czf photos.tar.gz photos && tar -tzf photos.tar.gz"),
        answer="photos.tar.gz holds {0}.",
    ),
    starter(
        "unpack delivery.tgz into the folder incoming",
        "mkdir d; echo 7 > d/order.xml; tar -czf delivery.tgz d; rm -r d",
        sh("mkdir -p incoming && tar -xzf delivery.tgz -C incoming && find incoming -type f"),
        answer="Unpacked {0}.",
    ),
    starter(
        "sort the pictures into one folder per extension",
        "touch a.png b.png c.svg",
        files("*"),
        sh('for f in *.png *.svg; do d="${f##*.}"; mkdir -p "$d"; mv -n "$f" "$d/"; done; find . -type f | sort'),
        answer="Sorted: {1}",
    ),
)

EDIT_TEXT = (
    starter(
        "add the line olive oil to shopping.txt",
        "printf 'bread\\nrice\\n' > shopping.txt",
        sh("printf '%s\\n' \"olive oil\" >> shopping.txt && tail -n 2 shopping.txt"),
        answer="Added olive oil as the last line of shopping.txt.",
    ),
    starter(
        "put the line # Diary at the top of diary.md",
        "printf 'Today it rained.\\n' > diary.md",
        sh("sed -i '1i # Diary' diary.md && head -n 2 diary.md"),
        answer="diary.md now starts with # Diary.",
    ),
    starter(
        "change Monday to Tuesday everywhere in schedule.txt",
        "printf 'Monday gym\\nFriday rest\\nMonday call\\n' > schedule.txt",
        sh("sed -i 's/Monday/Tuesday/g' schedule.txt && cat schedule.txt"),
        answer="Replaced Monday by Tuesday in schedule.txt.",
    ),
    starter(
        "set the volume to 30 in player.ini",
        "printf '[audio]\\nvolume=80\\nbalance=0\\n' > player.ini",
        read("player.ini"),
        edit("player.ini", "volume=80", "volume=30"),
        answer="volume is now 30 in player.ini.",
    ),
    starter(
        "in all html files replace Acme by Umbra",
        "mkdir -p web; echo '<b>Acme</b>' > web/index.html; echo '<i>Acme</i>' > about.html",
        sh("grep -rl 'Acme' --include='*.html' . | xargs -r sed -i 's/Acme/Umbra/g'; grep -rc 'Umbra' . | sort"),
        answer="Replaced Acme by Umbra in about.html and web/index.html.",
    ),
    starter(
        "delete the lines with debug from trace.out",
        "printf 'debug a\\nstart\\ndebug b\\nend\\n' > trace.out",
        sh("sed -i '/debug/d' trace.out && cat trace.out"),
        answer="trace.out now reads: {0}",
    ),
    starter(
        "sort guests.txt and drop the doubles, result in guests-clean.txt",
        "printf 'Zoe\\nAdam\\nZoe\\nMia\\n' > guests.txt",
        sh("sort -u guests.txt > guests-clean.txt && cat guests-clean.txt"),
        answer="guests-clean.txt holds {0}.",
    ),
    starter(
        "join part1.txt and part2.txt into book.txt",
        "echo one > part1.txt; echo two > part2.txt",
        sh("cat part1.txt part2.txt > book.txt && wc -l < book.txt"),
        answer="book.txt holds both parts, {0} lines.",
    ),
    starter(
        "save the first 3 lines of results.txt as top.txt",
        "seq 10 19 > results.txt",
        sh("head -n 3 results.txt > top.txt && cat top.txt"),
        answer="top.txt holds {0}.",
    ),
    starter(
        "write a python script square.py that prints 12 squared and run it",
        "true",
        write("square.py", "print(12 ** 2)\n"),
        sh("python3 square.py"),
        answer="square.py printed {1}.",
    ),
)
