"""Goals that change a text file in place: the right place, and nothing else in it."""

from __future__ import annotations

import re

from bench.local_goals.build import do, goal, tree
from bench.local_goals.check import edited, lines_are, replaced

CONF = "# main settings\n[server]\nhost = localhost\nport = 8080\n\n[cache]\nport_range = 80800-80810\n"
ENV = "APP_NAME=shelf\nDEBUG=true\nDEBUG_LEVEL=true\nSECRET=abc\n"
APP = "# the app\nname = tern\n  # indented remark\nlevel = 3 # inline stays\n#last\ncolor = #ff0000\n"
DB = "listen = 5432\n#max_connections = 100\n#max_wait = 30\nlog = on\n"

EDITS = (
    goal(
        "dev",
        "edit",
        1,
        "port-in-settings",
        "In settings.conf change the port from 8080 to 9090",
        tree({"settings.conf": CONF}),
        replaced("settings.conf", "port = 8080", "port = 9090"),
        may=("settings.conf",),
        solution="sed -i 's/^port = 8080/port = 9090/' settings.conf",
        wrong=(
            do("echo 'port = 9090' > settings.conf"),
            do("sed -i 's/8080/9090/g' settings.conf"),
            do("echo 'port = 9090' >> settings.conf"),
        ),
    ),
    goal(
        "held-out",
        "edit",
        1,
        "debug-off",
        "set DEBUG to false in .env",
        tree({".env": ENV, "app.py": "x = 1\n"}),
        replaced(".env", "DEBUG=true\n", "DEBUG=false\n"),
        may=(".env",),
        solution="sed -i 's/^DEBUG=.*/DEBUG=false/' .env",
        wrong=(do("echo DEBUG=false >> .env"), do("sed -i 's/true/false/' .env"), do("echo DEBUG=false > .env")),
    ),
    goal(
        "dev",
        "edit",
        1,
        "todo-at-end",
        'todo.txt: put "call the dentist" at the end',
        tree({"todo.txt": "buy stamps\nwater plants\n"}),
        edited("todo.txt", lambda t: t + "call the dentist\n"),
        may=("todo.txt",),
        solution="echo 'call the dentist' >> todo.txt",
        wrong=(do("echo 'call the dentist' > todo.txt"), do("sed -i '1i call the dentist' todo.txt")),
    ),
    goal(
        "held-out",
        "edit",
        1,
        "version-below-title",
        "Insert the line 'Version 2.0' below the first line of CHANGES.md.",
        tree({"CHANGES.md": "# Changes\n- new icons\n- less memory\n"}),
        edited("CHANGES.md", lambda t: t.replace("# Changes\n", "# Changes\nVersion 2.0\n")),
        may=("CHANGES.md",),
        solution="sed -i '1a Version 2.0' CHANGES.md",
        wrong=(do("echo 'Version 2.0' >> CHANGES.md"), do("sed -i '1i Version 2.0' CHANGES.md")),
    ),
    goal(
        "dev",
        "edit",
        2,
        "british-to-american",
        "replace colour by color in all .txt files below pages",
        tree(
            {
                "pages/a.txt": "The colour red.\nA colour.\n",
                "pages/x/b.txt": "My colour, your colour\n",
                "pages/c.md": "colour\n",
                "d.txt": "colour\n",
            }
        ),
        replaced("pages/a.txt", "colour", "color"),
        replaced("pages/x/b.txt", "colour", "color"),
        may=("pages/*.txt",),
        solution="find pages -name '*.txt' -exec sed -i 's/colour/color/g' {} +",
        wrong=(
            do("sed -i 's/colour/color/g' pages/*.txt"),
            do("grep -rl colour . | xargs sed -i 's/colour/color/g'"),
            do("find pages -name '*.txt' -exec sed -i 's/colour/color/' {} +"),
        ),
    ),
    goal(
        "held-out",
        "edit",
        2,
        "rename-function",
        "In every .py file here rename the function get_data to fetch_data. Names that only begin like it must stay.",
        tree(
            {
                "a.py": "def get_data():\n    return get_database()\n",
                "lib/b.py": "from a import get_data\n\nget_data()\n",
                "lib/c.py": "def get_database():\n    pass\n",
                "notes.md": "call get_data\n",
            }
        ),
        edited("a.py", lambda t: re.sub(r"\bget_data\b", "fetch_data", t)),
        edited("lib/b.py", lambda t: re.sub(r"\bget_data\b", "fetch_data", t)),
        may=("a.py", "lib/b.py"),
        solution="find . -name '*.py' -exec sed -i 's/\\bget_data\\b/fetch_data/g' {} +",
        wrong=(
            do("find . -name '*.py' -exec sed -i 's/get_data/fetch_data/g' {} +"),
            do("sed -i 's/get_data\\b/fetch_data/' *.py"),
        ),
    ),
    goal(
        "dev",
        "edit",
        1,
        "no-comment-lines",
        "remove all comment lines from app.conf (lines whose first character is #)",
        tree({"app.conf": APP}),
        edited("app.conf", lambda t: re.sub(r"(?m)^#.*\n", "", t)),
        may=("app.conf",),
        solution="sed -i '/^#/d' app.conf",
        wrong=(do("sed -i '/#/d' app.conf"), do("sed -i 's/#.*//' app.conf"), do("grep -v '^#' app.conf > new.conf")),
    ),
    goal(
        "held-out",
        "edit",
        1,
        "no-blank-lines",
        "Get rid of the empty lines in letter.txt",
        tree({"letter.txt": "Dear Ann,\n\nit snows.\n\n\nYours\nTom\n"}),
        edited("letter.txt", lambda t: re.sub(r"\n+", "\n", t)),
        may=("letter.txt",),
        solution="sed -i '/^$/d' letter.txt",
        wrong=(do("sed -i '2d' letter.txt"), do("grep -v '^$' letter.txt"), do("> letter.txt")),
    ),
    goal(
        "dev",
        "edit",
        1,
        "drop-third-line",
        "delete line 3 of steps.txt",
        tree({"steps.txt": "boil\npour\nspill\nstir\ndrink\n"}),
        replaced("steps.txt", "spill\n", ""),
        may=("steps.txt",),
        solution="sed -i 3d steps.txt",
        wrong=(do("sed -i 2d steps.txt"), do("sed -i '3!d' steps.txt"), do("rm steps.txt")),
    ),
    goal(
        "held-out",
        "edit",
        2,
        "uncomment-setting",
        "the max_connections line in db.conf is commented out. Activate it with 250 as the value",
        tree({"db.conf": DB}),
        edited("db.conf", lambda t: t.replace("#max_connections = 100", "max_connections = 250")),
        may=("db.conf",),
        solution="sed -i 's/^#max_connections.*/max_connections = 250/' db.conf",
        wrong=(
            do("sed -i 's/^#//' db.conf"),
            do("sed -i 's/#max_connections = 100/#max_connections = 250/' db.conf"),
            do("echo 'max_connections = 250' >> db.conf"),
        ),
    ),
    goal(
        "dev",
        "edit",
        3,
        "move-done-items",
        "Move the finished items of todo.md (marked [x]) to done.md; the open ones stay in todo.md.",
        tree({"todo.md": "- [x] sow peas\n- [ ] mend fence\n- [x] feed hens\n- [ ] cut hay\n"}),
        lines_are("todo.md", ["- [ ] mend fence", "- [ ] cut hay"]),
        lines_are("done.md", ["- [x] sow peas", "- [x] feed hens"]),
        may=("todo.md",),
        solution="grep -F '[x]' todo.md > done.md && sed -i '/\\[x\\]/d' todo.md",
        wrong=(
            do("grep -F '[x]' todo.md > done.md"),
            do("sed -i '/\\[x\\]/d' todo.md"),
            do("mv todo.md done.md; touch todo.md"),
        ),
    ),
    goal(
        "held-out",
        "edit",
        2,
        "raise-version",
        "bump the version from 1.4.2 to 1.4.3 in VERSION and in setup.cfg",
        tree(
            {
                "VERSION": "1.4.2\n",
                "setup.cfg": "[metadata]\nname = kite\nversion = 1.4.2\n\n[deps]\nrope = 11.4.2\n",
                "HISTORY": "1.4.2 first\n",
            }
        ),
        replaced("VERSION", "1.4.2", "1.4.3"),
        replaced("setup.cfg", "version = 1.4.2", "version = 1.4.3"),
        may=("VERSION", "setup.cfg"),
        solution="sed -i 's/^1\\.4\\.2/1.4.3/' VERSION; sed -i 's/version = 1.4.2/version = 1.4.3/' setup.cfg",
        wrong=(
            do("echo 1.4.3 > VERSION"),
            do("sed -i 's/1.4.2/1.4.3/' VERSION setup.cfg"),
            do("echo 1.4.3 | tee VERSION > setup.cfg"),
        ),
    ),
)
