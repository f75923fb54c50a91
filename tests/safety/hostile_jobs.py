"""The jobs whose values hostile_values.py replaces: each kind of value in each quoting and place that commands have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """A goal whose `{}` is the value, what it is when it was learned, and the calls that were made."""

    kind: str
    goal: str
    value: str
    commands: tuple[str, ...]
    """Of each one a trace is made; `{}` is the value."""
    confined: bool = True
    """The value is a place in the working directory."""
    globs: bool = False
    """The shell may expand what it is given."""


JOBS = (
    Job(
        "file",
        "count the lines of {}",
        "notes.txt",
        (
            "wc -l < {}",
            "wc -l {}",
            "wc -l '{}'",
            'wc -l "{}"',
            "wc -l -- {}",
            "sort {} | uniq -c",
            "wc -l ./{}",
            "echo $(wc -l < {})",
            "[ -f {} ] && wc -l {}",
            'bash -c "wc -l {}"',
            "find . -name {} -exec wc -l '{{}}' +",
        ),
    ),
    Job("file", "sum the numbers of {}", "notes.txt", ("awk '{{s+=$1}} END {{print s}}' {}", "paste -sd+ {} | bc")),
    Job(
        "file",
        "append hello to {}",
        "notes.txt",
        ("echo hello >> {}", "echo hello >> '{}'", 'echo hello | tee -a "{}"'),
    ),
    Job("path", "show docs/{}", "a1.txt", ("cat docs/{}", "cat 'docs/{}'", 'head "docs/{}"')),
    Job("path", "show {}", "docs/a.txt", ("cat {}", "head -n 3 {}", "cat '{}' \"{}\"", "cat ./{}")),
    Job("path", "copy notes.txt to {}", "out/b.txt", ("cp notes.txt {}", 'cp notes.txt "{}"', "cat notes.txt > {}")),
    Job("path", "list the files in {}", "docs/", ("ls {}", "find {} -type f", "ls -1 '{}'", "find '{}'")),
    Job(
        "number",
        "show the first {} lines of notes.txt",
        "5",
        (
            "head -n {} notes.txt",
            "head -{} notes.txt",
            "head --lines={} notes.txt",
            "sed -n '1,{}p' notes.txt",
            "sed {}q notes.txt",
        ),
        confined=False,
    ),
    Job("number", "wait {} seconds", "5", ("sleep {}", "timeout {} cat"), confined=False),
    Job(
        "text",
        'find the lines with "{}" in notes.txt',
        "hello world",
        (
            "grep -F 'hello world' notes.txt",
            'grep -F "{}" notes.txt',
            "grep '{}' notes.txt",
            "grep -e '{}' notes.txt",
            "grep -F -- '{}' notes.txt",
            "awk '/{}/' notes.txt",
            "sed -n '/{}/p' notes.txt",
        ),
        confined=False,
    ),
    Job(
        "text",
        'append "{}" to notes.txt',
        "hello world",
        (
            "echo '{}' >> notes.txt",
            'echo "{}" >> notes.txt',
            "printf '%s\\n' '{}' >> notes.txt",
            "echo {} >> notes.txt",
            "printf '{}\\n' >> notes.txt",
            "cat <<'E' >> notes.txt\n{}\nE",
            "cat <<E >> notes.txt\n{}\nE",
            'bash -c "echo {} >> notes.txt"',
            "x='{}'; echo \"$x\" >> notes.txt",
            'eval "echo {}" >> notes.txt',
        ),
        confined=False,
    ),
    Job(
        "text",
        'replace "{}" with "bye" in notes.txt',
        "hello",
        (
            "sed -i 's/{}/bye/g' notes.txt",
            'sed -i "s/{}/bye/" notes.txt',
        ),
        confined=False,
    ),
    Job(
        "name",
        "create a folder named {}",
        "alpha1",
        ("mkdir {}", "mkdir -p {}/src", "mkdir '{}'", 'mkdir "{}"', "mkdir -- {}"),
    ),
    Job("name", "rename notes.txt to {}", "alpha1", ("mv notes.txt {}", "mv -- notes.txt {}")),
    Job("name", "build the target {}", "app1", ("make {}", "make -s '{}'"), confined=False),
    Job(
        "branch",
        "switch to the branch {}",
        "feature-1",
        ("git checkout {}", "git switch {}", 'git checkout "{}"'),
        confined=False,
    ),
    Job("branch", "delete the branch {}", "feature-1", ("git branch -d {}",), confined=False),
    Job(
        "url",
        "download {}",
        "https://example.org/a1.tgz",
        ("curl -O {}", "wget -q '{}'", 'curl -fsSO "{}"'),
        confined=False,
    ),
    Job("url", "clone {}", "https://example.org/a1.git", ("git clone {}",), confined=False),
    Job("host", "ping {} once", "192.168.1.10", ("ping -c 1 {}",), confined=False),
    Job("host", "show the uptime of the host {}", "web1", ("ssh {} uptime",), confined=False),
    Job(
        "date",
        "show the commits since {}",
        "2024-01-05",
        ("git log --since={}", "git log --since {}", "git log --since='{}'"),
        confined=False,
    ),
    Job("package", "install the package {}", "requests", ("pip install {}", "npm install '{}'"), confined=False),
    Job("user", "list the files of user {}", "alice", ("find . -user {}",), confined=False),
    Job(
        "port",
        "show what listens on port {}",
        "8080",
        ("lsof -i :{}", "fuser {}/tcp", "ss -ltn 'sport = :{}'"),
        confined=False,
    ),
    Job("extension", "list all {} files", "*.txt", ("find . -name '{}'", 'find . -name "{}"', "ls {}"), globs=True),
    Job("glob", "count the lines of {}", "log-*.txt", ("cat {} | wc -l", "wc -l {}"), globs=True),
    Job("variable", "print {}", "$EDITOR", ("echo {}", 'echo "{}"'), confined=False, globs=True),
)
TOOL_JOBS = (
    Job("file", "create the file {}", "x1.txt", ("write_file path",)),
    Job("path", "create the file {}", "docs/x1.txt", ("write_file path",)),
    Job("file", "show the file {}", "x1.txt", ("read_file path",)),
    Job("text", 'write "{}" into x1.txt', "hello world", ("write_file content",), confined=False),
)
KINDS = tuple(sorted({job.kind for job in (*JOBS, *TOOL_JOBS)}))
