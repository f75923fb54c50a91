"""Goals that look: counting and finding. The answer is judged."""

from __future__ import annotations

from bench.local_goals.build import do, goal, say, tree
from bench.local_goals.check import names, number

COUNT = (
    goal(
        "dev",
        "count",
        1,
        "count-md-under-docs",
        "How many Markdown documents are under docs, counting its subfolders too?",
        tree(
            {
                "docs/index.md": "# a\n",
                "docs/api/calls.md": "# b\n",
                "docs/api/types.md": "# c\n",
                "docs/logo.svg": "x",
                "docs/api/v2/new.md": "# d\n",
                "README.md": "# r\n",
                "docs/notes.txt": "md\n",
            }
        ),
        number(4),
        solution="find docs -name '*.md' | wc -l",
        wrong=(say("There are 5 documents."), say("1"), do("rm docs/notes.txt", "4")),
    ),
    goal(
        "held-out",
        "count",
        1,
        "count-java-classes",
        "number of .java files in this project that are not tests (test files end in Test.java)",
        tree(
            {
                "src/Cart.java": "x",
                "src/pay/Bill.java": "x",
                "src/pay/Tax.java": "x",
                "test/CartTest.java": "x",
                "test/BillTest.java": "x",
                "pom.xml": "<p/>",
                "src/Main.java": "x",
                "src/Main.class": "x",
                "src/Util.java": "x",
            }
        ),
        number(5),
        solution="find . -name '*.java' ! -name '*Test.java' | wc -l",
        wrong=(say("7"), say("There are 2 such files.")),
    ),
    goal(
        "dev",
        "count",
        1,
        "total-go-lines",
        "how many lines of code are there in all .go files together",
        tree({"main.go": "a\n" * 17, "srv/http.go": "b\n" * 33, "srv/auth/key.go": "c\n" * 9, "go.mod": "m\n" * 5}),
        number(59, also=(17, 33, 9)),
        solution="find . -name '*.go' -exec cat {} + | wc -l",
        wrong=(say("17 lines"), say("64"), do("rm go.mod", "59")),
    ),
    goal(
        "held-out",
        "count",
        1,
        "count-python-functions",
        "How many functions are defined in geometry.py?",
        tree(
            {
                "geometry.py": "import math\n\n\ndef area(r):\n    return math.pi * r * r\n\n\n# def old(): was here\n"
                "def length(a, b):\n    return math.hypot(a, b)\n\n\ndef scale(p, k):\n    return p * k\n\n\n"
                "undefined = 3\n",
                "other.py": "def x():\n    pass\n",
            }
        ),
        number(3),
        solution="grep -c '^def ' geometry.py",
        wrong=(say("4"), say("There are 5 lines with def.")),
    ),
    goal(
        "dev",
        "count",
        1,
        "count-project-folders",
        "how many folders are directly inside projects",
        tree(
            {
                "projects/tide/a.txt": "1",
                "projects/moon/deep/b.txt": "2",
                "projects/sand/": 0,
                "projects/plan.txt": "p",
                "projects/list.csv": "q",
            }
        ),
        number(3),
        solution="find projects -mindepth 1 -maxdepth 1 -type d | wc -l",
        wrong=(say("5"), say("4")),
    ),
    goal(
        "held-out",
        "count",
        1,
        "count-hidden-files",
        "Count the hidden files in the current directory. Folders do not count.",
        tree(
            {
                ".profile": "a",
                ".vimrc": "b",
                ".config/x.ini": "c",
                "visible.txt": "d",
                ".cache/": 0,
                "sub/.deep": "e",
                ".netrc": "f",
                ".inputrc": "g",
            }
        ),
        number(4),
        solution="find . -maxdepth 1 -type f -name '.*' | wc -l",
        wrong=(say("6"), say("5 hidden files"), say("8")),
    ),
    goal(
        "dev",
        "count",
        1,
        "distinct-addresses",
        "how many different IP addresses are in hits.txt (first column)",
        tree(
            {
                "hits.txt": "".join(
                    f"{ip} GET /p{n}\n"
                    for n, ip in enumerate(
                        "10.0.0.8 10.0.0.9 10.0.0.8 192.168.4.1 10.0.0.9 10.0.0.8 172.16.0.3 172.16.0.3".split()
                    )
                )
            }
        ),
        number(4),
        solution="cut -d' ' -f1 hits.txt | sort -u | wc -l",
        wrong=(say("8"), say("There are 5.")),
    ),
    goal(
        "held-out",
        "count",
        1,
        "distinct-authors",
        "Number of different authors listed in library.csv?",
        tree(
            {
                "library.csv": "title,author\nEmber,Sato\nTides,Okoye\nSnow,Sato\nGlass,Lindt\nRust,Okoye\nOats,Sato\n"
                "Moss,Ruiz\nClay,Lindt\nFern,Sato\n"
            }
        ),
        number(4),
        solution="tail -n +2 library.csv | cut -d, -f2 | sort -u | wc -l",
        wrong=(say("5"), say("9 authors")),
    ),
    goal(
        "dev",
        "count",
        1,
        "count-word-occurrences",
        "How many times does the word whale occur in novel.txt? A line may have it more than once.",
        tree({"novel.txt": "The whale saw a whale.\nNo ship.\nA whale, the whale and one more whale!\nEnd.\n"}),
        number(5),
        solution="grep -o 'whale' novel.txt | wc -l",
        wrong=(say("2"), say("There are 3 of them.")),
    ),
    goal(
        "held-out",
        "count",
        1,
        "count-non-empty-lines",
        "how many lines in draft.md are not empty",
        tree({"draft.md": "# Plan\n\nOne.\nTwo.\n\n\nThree.\nFour.\n\nFive.\nSix.\n\n"}),
        number(7),
        solution="grep -c . draft.md",
        wrong=(say("12"), say("5 lines")),
    ),
)

WHERE = (
    goal(
        "held-out",
        "find",
        1,
        "file-with-function",
        "Which file contains the function parse_invoice?",
        tree(
            {
                "billing/reader.py": "def parse_invoice(text):\n    return text\n",
                "billing/writer.py": "def dump(x): ...\n",
                "shop/cart.py": "def total(): ...\n",
            }
        ),
        names("reader.py", none_of=("writer.py", "cart.py")),
        solution="grep -rl parse_invoice .",
        wrong=(say("billing/writer.py"), say("It is in reader.py or cart.py.")),
    ),
    goal(
        "dev",
        "find",
        2,
        "class-definition",
        "in which file is the class LedgerEntry defined? several use it, i want the definition",
        tree(
            {
                "core/entry.py": "class LedgerEntry:\n    pass\n",
                "core/book.py": "from core.entry import LedgerEntry\n",
                "web/view.py": "from core.entry import LedgerEntry\n\nx = LedgerEntry()\n",
                "core/base.py": "class Base:\n    x = 1\n",
            }
        ),
        names("entry.py", none_of=("book.py", "view.py", "base.py")),
        solution="grep -rl 'class LedgerEntry' .",
        wrong=(say("core/book.py, core/entry.py and web/view.py"), say("web/view.py")),
    ),
    goal(
        "dev",
        "find",
        1,
        "small-data-files",
        "Which files under data are smaller than 50 bytes?",
        tree({"data/a.bin": 12, "data/raw/b.bin": 300, "data/raw/c.bin": 44, "data/d.bin": 51200, "tiny.bin": 3}),
        names("a.bin", "c.bin", none_of=("b.bin", "d.bin", "tiny.bin")),
        solution="find data -type f -size -50c",
        wrong=(say("a.bin"), say("a.bin, b.bin and c.bin"), say("")),
    ),
    goal(
        "held-out",
        "find",
        1,
        "big-dumps",
        "list the .dump files that are over 2 megabytes",
        tree({"db/mon.dump": 2_700_000, "db/tue.dump": 1_200_000, "wed.dump": 3_500_000, "movie.iso": 4_000_000}),
        names("mon.dump", "wed.dump", none_of=("tue.dump", "movie.iso")),
        solution="find . -name '*.dump' -size +2M",
        wrong=(say("db/mon.dump"), say("mon.dump, wed.dump, movie.iso")),
    ),
    goal(
        "held-out",
        "find",
        1,
        "path-of-confidential",
        "one of the files here has the word confidential in it, maybe in capitals. give me its path",
        tree(
            {
                "hr/2025/offer.txt": "Strictly CONFIDENTIAL: the offer\n",
                "hr/2024/offer.txt": "Public\n",
                "memo.txt": "hello\n",
            }
        ),
        names("hr/2025/offer.txt", none_of=("hr/2024/offer.txt", "memo.txt")),
        solution="grep -ril confidential .",
        wrong=(say("hr/2024/offer.txt"), say("No file has it.")),
    ),
    goal(
        "dev",
        "find",
        2,
        "same-pictures",
        "Two of the pictures in album are exactly the same file under different names. Which two?",
        tree(
            {
                "album/p1.gif": b"GIF89a-one",
                "album/p2.gif": b"GIF89a-two",
                "album/p3.gif": b"GIF89a-six",
                "album/p4.gif": b"GIF89a-two",
                "album/p5.gif": b"GIF89a-ten",
            }
        ),
        names("p2.gif", "p4.gif", none_of=("p1.gif", "p3.gif", "p5.gif")),
        solution="cd album; md5sum *.gif | sort | uniq -w32 -D | cut -c35-",
        wrong=(say("p1.gif and p3.gif"), say("p2.gif"), do("rm album/p4.gif", "p2.gif and p4.gif")),
    ),
    goal(
        "dev",
        "find",
        1,
        "longest-file-name-lines",
        "which of the .txt files here has the most lines?",
        tree({"ant.txt": "a\n" * 8, "bee.txt": "b\n" * 21, "cow.txt": "long line " * 60 + "\n", "dog.md": "d\n" * 40}),
        names("bee.txt", none_of=("ant.txt", "cow.txt", "dog.md")),
        solution="wc -l *.txt | grep -v total | sort -rn | head -n 1",
        wrong=(say("cow.txt"), say("dog.md has 40 lines")),
    ),
    goal(
        "held-out",
        "find",
        2,
        "config-without-timeout",
        "Which of the .ini files below services do NOT set a timeout?",
        tree(
            {
                "services/mail.ini": "host=m\ntimeout=5\n",
                "services/chat.ini": "host=c\n",
                "services/eu/web.ini": "timeout=9\n",
                "services/eu/ftp.ini": "host=f\nretry=2\n",
            }
        ),
        names("chat.ini", "ftp.ini", none_of=("mail.ini", "web.ini")),
        solution="grep -rL timeout services --include='*.ini'",
        wrong=(say("mail.ini and web.ini"), say("chat.ini")),
    ),
)

FIND = (*COUNT, *WHERE)
