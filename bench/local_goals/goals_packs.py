"""Goals that delete files, pack and unpack archives, set permissions, dates and links."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from bench.local_goals.build import do, goal, say, tree
from bench.local_goals.check import (
    absent,
    copied,
    either,
    file_is,
    link,
    mode,
    modified,
    names,
)
from bench.local_goals.check_packs import gzip_holds, tar_holds


def packed(files: Mapping[str, str], how: str = "w:gz") -> bytes:
    """A tar archive of these texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=how) as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


DELETE = (
    goal(
        "dev",
        "delete",
        1,
        "tmp-but-one",
        "delete every .tmp file but keep important.tmp",
        tree({"a.tmp": "a", "b.tmp": "b", "important.tmp": "i", "notes.txt": "n"}),
        absent("a.tmp", "b.tmp"),
        may=("a.tmp", "b.tmp"),
        solution="find . -name '*.tmp' ! -name important.tmp -delete",
        wrong=(do("rm *.tmp"), do("rm a.tmp"), do("rm a.tmp b.tmp notes.txt")),
    ),
    goal(
        "held-out",
        "delete",
        1,
        "empty-directories",
        "Remove all the empty directories below work",
        tree({"work/a/": 0, "work/b/c/": 0, "work/b/file.txt": "f", "work/d/e.txt": "e", "spare/": 0}),
        absent("work/a", "work/b/c"),
        may=("work/a", "work/b/c"),
        solution="find work -mindepth 1 -type d -empty -delete",
        wrong=(do("rm -r work/*"), do("find . -type d -empty -delete"), do("rmdir work/a")),
    ),
    goal(
        "dev",
        "delete",
        2,
        "python-leftovers",
        "clean up: no *.pyc files and no __pycache__ folders anywhere, please",
        tree(
            {
                "app/__pycache__/m.cpython-311.pyc": "c",
                "app/m.py": "m",
                "old.pyc": "o",
                "lib/x/__pycache__/y.pyc": "y",
                "lib/x/y.py": "y",
            }
        ),
        absent("app/__pycache__", "lib/x/__pycache__", "old.pyc"),
        may=("*.pyc", "*__pycache__"),
        solution="find . -name __pycache__ -type d -prune -exec rm -r {} +; find . -name '*.pyc' -delete",
        wrong=(
            do("find . -name '*.pyc' -delete"),
            do("rm -r app/__pycache__ lib/x/__pycache__"),
            do("rm -r app lib old.pyc"),
        ),
    ),
    goal(
        "held-out",
        "delete",
        2,
        "logs-before-2024",
        "delete the log files in history that were last modified before 2024",
        tree(
            {"history/a.log": "a", "history/b.log": "b", "history/c.log": "c", "history/old.txt": "o"},
            dates={
                "history/a.log": "2022-03-03",
                "history/b.log": "2024-06-01",
                "history/c.log": "2023-11-30",
                "history/old.txt": "2020-01-05",
            },
        ),
        absent("history/a.log", "history/c.log"),
        may=("history/a.log", "history/c.log"),
        solution="find history -name '*.log' ! -newermt 2024-01-01 -delete",
        wrong=(
            do("rm history/*.log"),
            do("find history -type f ! -newermt 2024-01-01 -delete"),
            do("rm history/a.log"),
        ),
    ),
)

PACK = (
    goal(
        "dev",
        "archive",
        1,
        "pack-without-modules",
        "make shop.tar.gz from the folder shop, but leave out node_modules",
        tree({"shop/index.js": "i", "shop/lib/util.js": "u", "shop/node_modules/dep/main.js": "d"}),
        either(
            tar_holds("shop.tar.gz", {"shop/index.js": "shop/index.js", "shop/lib/util.js": "shop/lib/util.js"}),
            tar_holds("shop.tar.gz", {"index.js": "shop/index.js", "lib/util.js": "shop/lib/util.js"}),
        ),
        solution="tar -czf shop.tar.gz --exclude=node_modules shop",
        wrong=(
            do("tar -czf shop.tar.gz shop"),
            do("rm -r shop/node_modules; tar -czf shop.tar.gz shop"),
            do("touch shop.tar.gz"),
        ),
    ),
    goal(
        "held-out",
        "archive",
        1,
        "pack-texts",
        "Put all .txt files of this folder into one archive texts.tar",
        tree({"ash.txt": "a", "oak.txt": "o", "elm.md": "e"}),
        tar_holds("texts.tar", {"ash.txt": "ash.txt", "oak.txt": "oak.txt"}),
        solution="tar -cf texts.tar *.txt",
        wrong=(do("tar -cf texts.tar *"), do("tar -cf texts.tar *.txt; rm *.txt"), do("cat *.txt > texts.tar")),
    ),
    goal(
        "dev",
        "archive",
        1,
        "list-archive",
        "what files are in old.tar?",
        tree({"old.tar": packed({"plan.md": "p", "cost.csv": "c", "map.svg": "m"}, "w"), "new.md": "n"}),
        names("plan.md", "cost.csv", "map.svg", none_of=("new.md",)),
        solution="tar -tf old.tar",
        wrong=(say("plan.md and cost.csv"), say("new.md"), do("rm new.md; tar -tf old.tar")),
    ),
    goal(
        "held-out",
        "archive",
        2,
        "extract-one-member",
        "I only need docs/readme.md out of release.tar.gz; extract just that file here",
        tree(
            {
                "release.tar.gz": packed({"docs/readme.md": "Read me\n", "docs/api.md": "api\n", "bin/run": "run\n"}),
                "k.txt": "k",
            }
        ),
        either(file_is("docs/readme.md", "Read me\n"), file_is("readme.md", "Read me\n")),
        absent("bin", "docs/api.md"),
        solution="tar -xzf release.tar.gz docs/readme.md",
        wrong=(do("tar -xzf release.tar.gz"), do("mkdir docs; touch docs/readme.md"), do("tar -tzf release.tar.gz")),
    ),
    goal(
        "dev",
        "archive",
        1,
        "unpack-here",
        "Unpack bundle.tar.gz in the current folder",
        tree({"bundle.tar.gz": packed({"site/a.html": "A\n", "site/b.html": "B\n"})}),
        file_is("site/a.html", "A\n"),
        file_is("site/b.html", "B\n"),
        solution="tar -xzf bundle.tar.gz",
        wrong=(
            do("tar -tzf bundle.tar.gz"),
            do("tar -xzf bundle.tar.gz --strip-components=1"),
            do("tar -xzf bundle.tar.gz; rm bundle.tar.gz"),
        ),
    ),
    goal(
        "held-out",
        "archive",
        1,
        "gzip-logs",
        "compress each .log file in traffic with gzip",
        tree({"traffic/mon.log": "m" * 300, "traffic/tue.log": "t" * 300, "traffic/info.txt": "i"}),
        gzip_holds({"traffic/mon.log.gz": "traffic/mon.log", "traffic/tue.log.gz": "traffic/tue.log"}),
        absent("traffic/mon.log", "traffic/tue.log"),
        may=("traffic/*.log",),
        solution="gzip traffic/*.log",
        wrong=(do("gzip traffic/mon.log"), do("gzip traffic/*"), do("tar -czf traffic.tar.gz traffic/*.log")),
    ),
)

RIGHTS = (
    goal(
        "dev",
        "permissions",
        1,
        "scripts-executable",
        "I can't start the .sh scripts in jobs, give them the execute permission",
        tree({"jobs/a.sh": "a", "jobs/b.sh": "b", "jobs/c.conf": "c"}),
        mode("jobs/a.sh", on=0o100),
        mode("jobs/b.sh", on=0o100),
        copied({"jobs/a.sh": "jobs/a.sh", "jobs/b.sh": "jobs/b.sh"}),
        may=("jobs/*.sh",),
        solution="chmod +x jobs/*.sh",
        wrong=(do("chmod +x jobs/a.sh"), do("chmod +x jobs/*"), do("true")),
    ),
    goal(
        "held-out",
        "permissions",
        1,
        "private-key",
        "nobody but me should be able to read or write server.key",
        tree({"server.key": "k", "server.crt": "c"}),
        mode("server.key", on=0o400, off=0o077),
        copied({"server.key": "server.key"}),
        may=("server.key",),
        solution="chmod 600 server.key",
        wrong=(do("chmod 640 server.key"), do("chmod 000 server.key"), do("chmod 600 *")),
    ),
    goal(
        "dev",
        "dates",
        1,
        "set-date",
        "Set the modification date of memo.odt to 1 May 2020.",
        tree({"memo.odt": "m", "list.odt": "l"}),
        modified("memo.odt", "2020-05-01"),
        modified("list.odt", "2026-01-10"),
        solution="touch -d '2020-05-01 12:00' memo.odt",
        wrong=(do("touch memo.odt"), do("touch -d 2020-01-05 memo.odt"), do("touch -d '2020-05-01 12:00' *.odt")),
    ),
    goal(
        "held-out",
        "links",
        1,
        "make-link",
        "create a symbolic link named latest that points to release-12",
        tree({"release-11/app": "11", "release-12/app": "12"}),
        link("latest", "release-12"),
        solution="ln -s release-12 latest",
        wrong=(do("ln -s release-11 latest"), do("cp -r release-12 latest"), do("ln -s latest release-12/latest")),
    ),
)

PACKS = (*DELETE, *PACK, *RIGHTS)
