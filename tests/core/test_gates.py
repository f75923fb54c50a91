"""Each gate between a goal and a replay: minimal pairs that it alone holds apart, and pairs that it lets through."""

import pytest

from llmos.core.binding import bind
from llmos.core.gate import Bound, Refusal
from llmos.core.gates import GATES
from llmos.core.template import Call, Template, generalise

NAMES = tuple(gate.name for gate in GATES)


def run(goal: str, *commands: str) -> Template:
    return generalise(goal, [Call("shell", {"command": command}) for command in commands], "t1")


def wrote(goal: str, path: str, content: str) -> Template:
    return generalise(goal, [Call("write_file", {"path": path, "content": content})], "t1")


# gate, the goal and command that were saved, the goal that must not replay it
PAIRS: tuple[tuple[str, str, str, str], ...] = (
    ("letters", "count lines in a.txt", "wc -l a.txt", "count lines in \u0430.txt"),
    ("letters", "count lines in a.txt", "wc -l a.txt", "count lines in b\u200b.txt"),
    ("pronoun", "delete my file a.txt", "rm a.txt", "delete your file a.txt"),
    ("pronoun", "show the file a.txt", "cat a.txt", "show the file a.txt again"),
    ("pronoun", "count lines of my file a.txt", "wc -l a.txt", "count lines of your file a.txt"),
    ("negation", "find files that match 'x' in d", "find d -name x", "find files that do not match 'x' in d"),
    ("negation", "archive d with links", "tar -cf d.tar d", "archive d without links"),
    ("exception", "list files in d1", "ls d1", "list files except in d1"),
    ("polarity", "enable the option nullglob", "shopt -s nullglob", "disable the option nullglob"),
    ("polarity", "sort a.txt ascending", "sort a.txt", "sort a.txt descending"),
    ("polarity", "mount the disk /dev/sda1 read only", "mount -r /dev/sda1", "mount the disk /dev/sda1 write only"),
    ("comparative", "list files larger than 5 MB in d1", "find d1 -size +5M", "list files smaller than 5 MB in d1"),
    ("comparative", "list files modified before b.txt", "ls b.txt", "list files modified after b.txt"),
    ("quantifier", "show any line of a.txt", "cat a.txt", "show each line of a.txt"),
    ("conjunction", "find files named a1 or b1", "find . -name a1 -o -name b1", "find files named a1 and b1"),
    ("conjunction", "compress a.py, b.py", "zip x a.py b.py", "compress a.py and b.py"),
    ("verb", "copy a.txt to b.txt", "cp a.txt b.txt", "move a.txt to b.txt"),
    ("verb", "find files in d1", "ls d1 | head -1", "print files in d1"),
    ("words", "count lines in a.txt", "wc -l a.txt", "count words in a.txt"),
    ("words", "create a Python file called a.py", "touch a.py", "create a Python file called a.py quickly"),
    ("words", "create a Python file called a.py", "touch a.py", "create a file called a.py"),
    ("order", "list unique lines of a.txt sorted", "sort -u a.txt", "list sorted lines of a.txt unique"),
    ("order", "show the first 5 lines of a.txt", "head -n 5 a.txt", "show the last 5 lines of a.txt"),
    ("order", "copy a.txt to b.txt", "cp a.txt b.txt", "copy to a.txt b.txt"),
    ("recursion", "count files in d1", "ls d1 | wc -l", "count files in d1 recursively"),
    ("recursion", "delete files in d1 and below", "find d1 -delete", "delete files in d1"),
    ("place", "list files in the home directory", "find . -type f", "show files in the home directory"),
    ("place", "list all log files", "find / -name log", "find all log files"),
    ("sense", "find all directories in d1", "find d1 -type f", "find all directories in d2"),
    ("sense", "find files named a1", "find . ! -name a1", "find files named b1"),
    ("sense", "find files larger than 5 MB", "find . -size 5M", "find files larger than 7 MB"),
    ("sense", "find file a.txt", "find . -iname a.txt", "find file b.txt"),
    ("effect", "find files named a1", "find . -name a1 -delete", "find files named b1"),
    ("effect", "delete files named a1", "find . -name a1", "delete files named b1"),
    ("effect", "find the word a1 in b.txt", "grep a1 b.txt > c'", "find the word a2 in b.txt"),
    ("values", "compress a.py b.py", "zip a.py b.py", "compress a.py b.py c.py"),
    ("kind", "show the last 5 lines of a.txt", "tail -n 5 a.txt", "show the last /x lines of a.txt"),
    ("kind", "copy a.txt to b.txt", "cp a.txt b.txt", "copy a.txt to d/"),
    ("kind", "show 'a.txt'", "cat a.txt", "show 'rm -rf x'"),
    ("reach", "delete files in /srv/d1", "find /srv/d1 -delete", "delete files in /"),
    ("reach", "delete files in d1", "find d1 -delete", "delete files in ~"),
    ("effect", "delete files in d1", "find d1 -delete", "delete files in d2?"),
    ("effect", "delete files in d1", "find d1 -delete", "delete files in d1?"),
    ("kind", "show the last 5 lines of a.txt", "tail -n 5 a.txt", "show the last +5 lines of a.txt"),
    ("polarity", "run the script x1 in d1", "ssh d1 x1", "run the script x1 on d2"),
    ("verb", "make the file a.txt readable", "chmod +r a.txt", "create the file b.txt readable"),
    ("words", "find the word 'x1' in a.txt", "grep x1 a.txt", "find the whole word 'x2' in a.txt"),
    ("quantifier", "run ls 5 seconds", "timeout 5 ls", "run ls every 5 seconds"),
    ("words", "delete files in d1", "find d1 -delete", "would delete files in d2"),
    ("quantifier", "commit with message 'x y'", "git commit -m 'x y'", "commit all with message 'x z'"),
    ("role", "list files in d1", "find d1", "list files in a.tar"),
    ("role", "list files ending with '*macs'", "find . -name '*macs'", "list files ending with 'x.old'"),
    ("role", "list files of x1", "find /srv/x1 -type f", "list files of /home/y"),
    ("format", "extract a.tar.gz", "tar -xzf a.tar.gz", "extract b.tar.xz"),
    ("format", "convert a.png", "optipng a.png", "convert a.jpg"),
    ("pairing", "compare x1.txt with x1.txt", "diff x1.txt x1.txt", "compare a.txt with b.txt"),
    ("unaccounted", "list 5 files in d1", "find d1", "list 5 files in d2"),
    ("unused", "list files on level 1 of d1", "find d1", "list files on level 2 of d1"),
    ("repeated", "show 5 lines of a.txt", "head -n 5 a.txt | tail -n 5", "show 7 lines of a.txt"),
    ("repeated", "log in with password 'password'", "login -p password", "log in with password 'secret'"),
    ("constant", "write the numbers 1 to 4", "echo 1 2 3 4", "write the numbers 1 to 6"),
    ("command", "show the program 'date'", "date; which date", "show the program 'uptime'"),
    ("form", "find all *.txt files", "find . -name '*txt'", "find all *.php files"),
    ("code", "replace 'foo' in a.txt", "sed -i s/foo/bar/ a.txt", "replace 'baz' in a.txt"),
    ("code", "list files matching the regex '(a.*)'", "find -E . -regex '(a.*)'",
     "list files matching the regex '\\\\(a.*\\\\)'"),
    ("code", "show the IPv6 address", "host x | grep 'IPv6 address'", "show the IPv4 address"),
    ("code", "find 'foo' in a.txt", "grep foo a.txt", "find 'f.o' in a.txt"),
    ("option", "count 'foo' in a.txt", "wc --foo a.txt", "count 'bar' in a.txt"),
    ("option", "count in 'foo'", "wc foo", "count in '-foo'"),
    ("glob", "list files that begin with 'a'", "find . -name 'a*'", "list files that begin with 'b[c'"),
    ("glob", "show 'foo'", "cat foo", "show 'f{a,b}'"),
    ("vocabulary", "set the option nullglob", "shopt -s nullglob", "set the option xtrace"),
    ("quotes", "say 'foo'", "echo 'foo'", 'say "fo\'o"'),
    ("constant", "list files of bob1", "ls /srv/bob1 /srv/common", "list files of tim1"),
    ("column", "sum the prices of a.csv", "awk -F, '{s += $3} END {print s}' a.csv", "sum the prices of b.csv"),
    ("column", "set the version in a.cfg", "sed -i 's/^version.*/version 1.4.3/' a.cfg", "set the version in b.cfg"),
    ("sense", "list files under d1", "find d1 -maxdepth 1", "list files under d2"),
    ("column", "list names in a.csv", "tail -n +2 a.csv | cut -d, -f2", "list names in b.csv"),
    ("column", "rank teams of a.csv", "sort -t, -k2,2 a.csv", "rank teams of b.csv"),
    ("column", "show the city in a.json", "jq .ship.city a.json", "show the city in b.json"),
    ("signs", "say hello to 'bob1'", "echo hello bob1", "say hello! to 'tim1'"),
    ("signs", "write Hello into a.txt", "write a.txt", "write hello into b.txt"),
    ("role", "list the .aux files", "find . -name .aux", "list the .log files"),
    ("role", "list files in d1", "find . -name d1", "list files in d2"),
    ("role", "list files whose names start with 'x1'", "find . -name '*x1*'",
     "list files whose names start with 'y1'"),
    ("role", "list files whose names end with 'x1'", "find . -name '*x1*'", "list files whose names end with 'y1'"),
    ("sense", "find 'foo' in a.txt", "grep -i foo a.txt", "find 'Bar' in a.txt"),
    ("effect", "delete empty directories in d1", "find d1 -type d -empty", "delete empty directories in d2"),
    ("recursion", "print the current directory tree", "tree", "print the current directory"),
    ("recursion", "list files in d1 and below", "find d1 -type f", "list files in d2"),
    ("constant", "show all files in a folder that end with 'x1'", "find $dir -name '*x1'",
     "show all files in a folder that end with 'y1'"),
    ("words", "display all files in the folder a", "find a", "display all files in a folder"),
    ("unused", "make directories to '/some/x1' as needed", "mkdir -p ./some/x1",
     "make directories to 'x2/y' as needed"),
    ("format", "count lines in a.txt", "wc -l a.txt", "count lines in b.txt.gz"),
    ("format", "create a Python file called a.py", "touch a.py", "create a Python file called b.js"),
    ("format", "create a Python file called a.py", "touch a.py", "create a Python file called b1"),
    ("code", "replace 'foo' with 'bar' in a.txt", "sed -i s/foo/bar/ a.txt", "replace 'f/o' with 'bar' in a.txt"),
    ("code", "replace 'foo' with 'bar' in a.txt", "sed -i s/foo/bar/ a.txt", "replace 'foo' with 'a&b' in a.txt"),
    ("format", "count lines in a.txt", "wc -l a.txt", "count lines in b.pdf"),
    ("format", "run the script run.sh", "bash run.sh", "run the script app.py"),
    ("words", "run the script run.sh", "bash run.sh", "run the script docs1"),
    ("role", "link now1 to docs/a.md", "ln -s docs/a.md now1", "link docs/now1 to docs/a.md"),
    ("kind", "copy a.csv to saved1/", "mkdir -p saved1; cp a.csv saved1/", "copy a.csv to saved2"),
    ("sense", "find the word 'beta' in a.txt", "grep beta a.txt", "find the word 'bet' in a.txt"),
    ("kind", "install the package requests", "pip install requests", "install the package ./src"),
    ("signs", "show 'big  plan.txt' and a  x", "cat 'big  plan.txt' 'a  x'", "show 'big  plan.txt' and a x"),
    ("said", "delete the logs folder", "rm -r logs", "delete the log folder"),
    ("said", "count the word the in a.txt", "grep -ow the a.txt | wc -l", "count the word is in a.txt"),
    ("said", "append the line please to a.txt", "echo please >> a.txt", "append the line to a.txt"),
    ("said", "write directory into a.txt", "echo directory > a.txt", "write folder into a.txt"),
    ("number", "show the last line of a.txt", "tail -n 1 a.txt", "show the last lines of a.txt"),
    ("effect", "delete the file a.txt", "rm a.txt", "delete every file a.txt"),
    ("number", "delete the file named a.txt", "rm a.txt", "delete the files named a.txt"),
    ("words", "copy a.txt to b.txt and count its lines", "cp a.txt b.txt; wc -l b.txt",
     "copy a.txt to b.txt and count their lines"),
    ("number", "show the processes of x1", "ps -u x1", "show the process of y1"),
    ("number", "run the tests", "pytest", "run the test"),
    ("quantifier", "show the size of every *.txt file", "du *.txt", "show the size of a *.txt file"),
    ("verb", "print a.txt", "lp a.txt", "show b.txt"),
    ("verb", "who is logged in?", "who", "who was logged in?"),
    ("words", "show the commits from v1.0", "git log v1.0..", "show the commits in v1.0"),
    ("words", "show the size of the current directory", "du -sh .", "show the size in the current directory"),
    ("words", "start the container web1", "docker start web1", "start a container of web1"),
    ("verb", "scan /dev/sda1 for errors", "fsck /dev/sda1", "find errors in /dev/sda1"),
    ("place", "display information about the system", "uname -a", "display information about the filesystem"),
    ("recursion", "count files under d1", "ls d1 | wc -l", "count files in d1 recursively"),
    ("kind", "show a.log", "tail a.log", "show /dev/sda"),
    ("format", "show column 2 of a.csv", "cut -d, -f2 a.csv", "show column 2 of a.tsv"),
    ("pairing", "create the branches dev1 and x1", "git branch dev1 && git branch x1",
     "create the branches y1 and y1"),
    ("constant", "please append the line to a.txt", "echo please >> a.txt", "append the line please to a.txt"),
    ("quantifier", "sort a.txt by the second column", "sort -k2 a.txt", "sort a.txt by every second column"),
    ("quantifier", "remove every third line of a.txt", "sed -i 0~3d a.txt", "remove the third lines of a.txt"),
    ("quantifier", "count lines in all files", "cat * | wc -l", "count lines in every file"),
    ("number", "list all files in d1", "ls -a d1", "list files in d1"),
    ("verb", "count lines that hold 'x1'", "grep -c x1 a", "print the numbers of lines that hold 'x1'"),
    ("verb", "count the line that holds 'x1'", "grep -c x1 a", "print the number of the line that holds 'x1'"),
    ("verb", "search for files named x1", "find . -name x1", "search the files named x1"),
    ("words", "copy the directory tree d1", "cp -r d1 d2", "copy the directory structure d1"),
    ("verb", "delete the file a.txt", "rm a.txt", "erase the file a.txt"),
    ("pairing", "print the numbers from 1 to 20", "seq 1 20", "print the numbers from 20 to 1"),
    ("pairing", "list files between 10k and 50k", "find . -size +10k -size -50k", "list files between 10k and 10k"),
    ("role", "find the file a.txt in d1", "find d1 -name a.txt", "find the file c/b.txt in d1"),
    ("effect", "delete all files in d1", "find d1 -type f -delete", "delete all files within d1"),
    ("effect", "delete log files in d1", "rm d1/*log*", "in d1 delete log files"),
    ("conjunction", "find files and subdirectories", "find .", "find files in subdirectories"),
    ("words", "find files in the user home directories", "find /home", "find files in the user's home directory"),
    ("kind", "find all .txt files", "find . -name '*.txt'", "find all .bashrc files"),
    ("order", "search for 'x1' in files named 'y1' ignoring case", "grep -ri x1 --include=y1 .",
     "search for 'x1' in files case insensitively named 'y1'"),
    ("words", "sort files in size order", "ls -lS", "sort files in length order"),
    ("verb", "list users that are logged in", "who", "list users that were logged in"),
    ("verb", "search for 'x1' in d1/", "grep -r x1 d1/", "find 'x1' in d1/"),
    ("verb", "find files that match pattern 'x1'", "grep -rl x1 .", "find files whose name matches the pattern 'x1'"),
    ("number", "list directories in the current directory", "find . -maxdepth 1 -type d",
     "list the directory of the current directory"),
    ("number", "find the file named a.txt in d1", "find d1 -name a.txt -quit", "find the files named a.txt in d1"),
    ("vocabulary", "set the option 'pipefail'", "set -o pipefail", "set the option 'nullglob'"),
    ("vocabulary", "show the help of 'cd'", "help cd", "show the help of 'grep'"),
    ("vocabulary", "show where 'ls' is", "which ls", "show where 'cd' is"),
    ("vocabulary", "forget the variable 'X1'", "unset X1", "forget the variable '$Y1'"),
    ("vocabulary", "look up 'a.example.org'", "dig a.example.org", "look up '10.0.0.1'"),
    ("separator", "watch 'd1'", "watch ls d1", "watch 'd 1'"),
    ("separator", "show the table a.txt split at ','", "column -t -s , a.txt", "show the table a.txt split at ', '"),
    ("separator", "log in on h1 as bob1", "telnet bob1@h1", "log in on x:h1 as bob1"),
    ("depth", "list names of directories in /usr/local", "find /usr/local -type d | cut -d/ -f4",
     "list names of directories in /etc"),
    ("depth", "list names of directories in /usr/local", "find /usr/local -type d | awk -F/ '{print $4}'",
     "list names of directories in /etc"),
    ("depth", "copy a.txt to d1", "cp a.txt d1", "copy x1 to d1"),
    ("output", "show the first line of 'a.txt'", "head -n1 a.txt", "show the first line of 'ls'"),
    ("role", "list all files whose path is in 'x1'", "find . -path './x1/*'", "list all files whose path is in './y1'"),
    ("kind", "list files newer than 2014-01-01", "find . -newermt 2014-01-01", "list files newer than 10:30"),
    ("kind", "stamp a.txt with 201401010000", "touch -t 201401010000 a.txt", "stamp a.txt with 20140101"),
    ("code", "replace all newlines with : in a.txt", "tr '\\n' : < a.txt", "replace all newlines with ; in a.txt"),
    ("constant", "display all the files in d1", "find d1 | awk '{print \"FILE:\" $0}'", "display the files in d1"),
    ("constant", "show subdirectories of d1", "find d1 -type d | xargs echo Directories:", "show subdirectories of d2"),
    ("place", "find text files in the home folder", "find /home -name '*.txt'", "list text files in my home folder"),
    ("pronoun", "commit it and push it", "git commit && git push", "please commit it and push it"),
    ("pronoun", "run the tests and fix it", "pytest", "run the tests and then fix it"),
    ("words", "find the file a.txt", "find . -type f -name a.txt", "find a.txt"),
    ("said", "append the line hello to a.txt", "echo hello >> a.txt", "append the line hello please to a.txt"),
    ("verb", "list the files in d1", "ls d1", "show the files in d1"),
    ("number", "list docker containers", "docker ps", "show all docker containers"),
    ("code", "split the lines of a.txt at : once", "sed s/:/x/ a.txt", "split the lines of a.txt at | once"),
    ("leftover", "create the module parser1", "touch --as=PARSER1.py parser1", "create the module lexer1"),
)  # fmt: skip


@pytest.mark.parametrize(("gate", "saved", "command", "goal"), PAIRS)
def test_the_gate_refuses_with_a_reason(gate: str, saved: str, command: str, goal: str) -> None:
    answer = bind(run(saved, command), goal)
    assert isinstance(answer, Refusal)
    assert (answer.ref, answer.gate) == ("t1", gate), answer.reason
    assert len(answer.reason) > 10


@pytest.mark.parametrize("gate", NAMES)
def test_without_the_gate_something_would_be_replayed_that_must_not(gate: str) -> None:
    """The partner of the test above: every gate holds at least one pair that no other gate holds."""
    others = tuple(other for other in GATES if other.name != gate)
    answers = [bind(run(saved, command), goal, others) for name, saved, command, goal in PAIRS if name == gate]
    assert answers
    only = [answer for answer in answers if isinstance(answer, Bound)]
    assert only or gate in DEFENDED_TWICE, answers


def test_a_command_that_would_not_be_parsed_again_as_it_was_is_refused() -> None:
    others = tuple(gate for gate in GATES if gate.name != "quotes")
    answer = bind(run("say 'foo'", "echo 'foo'"), 'say "fo\'o"', others)
    assert answer == Refusal("t1", "structure", "with the new values a command would be another command")


DEFENDED_TWICE = {"quotes"}
"""What the quotes cannot hold would not be parsed again as the same command either."""


@pytest.mark.parametrize(
    ("saved", "command", "goal", "bound"),
    [
        ("count lines in a.txt", "wc -l a.txt", "Count the lines in b.txt.", "wc -l b.txt"),
        ("count lines in a.txt", "wc -l a.txt", "count lines in 'b.txt'", "wc -l b.txt"),
        ("copy a.txt to b.txt", "cp a.txt b.txt", "copy b.txt to a.txt", "cp b.txt a.txt"),
        ("create a Python file called a.py", "touch a.py", "make a new Python file named b.py", "touch b.py"),
        ("how many lines does a.txt have", "wc -l < a.txt", "count the lines of the file b.txt", "wc -l < b.txt"),
        ("how many words are there in a.txt?", "wc -w a.txt", "print the number of words in b.txt", "wc -w b.txt"),
        ("link now1 to docs/a.md", "ln -s docs/a.md now1", "link now2 to src/b.md", "ln -s src/b.md now2"),
        ("link now1 to docs/a.md", "ln -s docs/a.md now1", "link x/now2 to /srv/b.md", "ln -s /srv/b.md x/now2"),
        ("rename a.txt to b.txt", "mv a.txt b.txt", "rename the file c.txt as d.txt", "mv c.txt d.txt"),
        ("delete the file old.log", "rm old.log", "remove new.log", "rm new.log"),
        ("show the last 3 lines of a.txt", "tail -n 3 a.txt", "show me the last 7 lines in b.txt",
         "tail -n 7 b.txt"),
        ("create a branch named dev1", "git switch -c dev1", "create a new branch called x2", "git switch -c x2"),
        ("add the line 'x=1' to the end of a.ini", "echo 'x=1' >> a.ini",
         "append the line 'y=2' to the end of b.ini", "echo 'y=2' >> b.ini"),
        ("replace 'foo' with 'bar' in a.txt", "sed -i s/foo/bar/g a.txt", "replace 'x y' with 'z' in b.txt",
         r"sed -i s/x\ y/z/g b.txt"),
        ("replace foo with bar in a.txt", "sed -i s/foo/bar/g a.txt", "replace red with blue in b.txt",
         "sed -i s/red/blue/g b.txt"),
        ("run the tests in tests/a.py", "python -m pytest tests/a.py", "run the tests in tests/b.py",
         "python -m pytest tests/b.py"),
        ("count how often the word error appears in a.log", "grep -ow error a.log | wc -l",
         "count how often the word warning appears in b.log", "grep -ow warning b.log | wc -l"),
        ("copy a to /x/b", "cp a /x/b", "copy a to /y/b", "cp a /y/b"),
        ("make the folder x and copy a.txt into it", "mkdir x && cp a.txt x/",
         "please make the folder y and copy b.txt into it", "mkdir y && cp b.txt y/"),
        ("find all '*.tmp' files and print them", "find . -name '*.tmp' -print",
         "find all '*.bak' files and print them", "find . -name '*.bak' -print"),
        ("count the py files in src", "find src -name '*.py' | wc -l", "in src, count the py files",
         "find src -name '*.py' | wc -l"),
        ("count the words in a.txt", "wc -w a.txt", "could you please count the words in b.txt for me?", "wc -w b.txt"),
        ("append the text hello to a.txt", "echo hello >> a.txt", "I want to append the text hello to b.txt",
         "echo hello >> b.txt"),
        ("find files owned by root in /srv", "find /srv -user root", "find the files in /opt owned by root",
         "find /opt -user root"),
        ("change the owner of a.txt to alice", "chown alice a.txt", "change the owner of the file b.txt to alice",
         "chown alice b.txt"),
        ("list the open ports", "ss -tln", "show me the open ports", "ss -tln"),
        ("download https://example.org/a.zip and unzip it", "curl -LO https://example.org/a.zip && unzip a.zip",
         "download https://example.org/b.zip and unzip it", "curl -LO https://example.org/b.zip && unzip b.zip"),
        ("ping example.org 3 times", "ping -c 3 example.org", "ping the host example.com five times",
         "ping -c 5 example.com"),
        ("convert a.txt to upper case", "tr a-z A-Z < a.txt", "convert b.txt to uppercase", "tr a-z A-Z < b.txt"),
        ("extract a.tar.gz into /srv/x", "tar -xzf a.tar.gz -C /srv/x", "unpack the archive b.tar.gz to /srv/y",
         "tar -xzf b.tar.gz -C /srv/y"),
        ("remove duplicate lines from a.txt", "sort -u a.txt", "remove the duplicate lines from b.txt",
         "sort -u b.txt"),
        ("show the history of a.py", "git log --follow a.py", "show the history of the file b.md",
         "git log --follow b.md"),
        ("print line 10 of a.txt", "head -n 10 a.txt | tail -n 1", "print line twenty of a.txt",
         "head -n 20 a.txt | tail -n 1"),
        ("find files named a1 in /x", "find /x -name a1", "in /y find files named b1", "find /y -name b1"),
        ("find files in /x named a1", "find /x -name a1", "find files named b1 in /y", "find /y -name b1"),
        ("find all *.txt files in d1", "find d1 -name '*.txt'", "list the PDF files in d2", "find d2 -name '*.pdf'"),
        ("find files ending in .txt", "find . -name '*.txt'", "search for files with extension csv",
         "find . -name '*.csv'"),
        ("find files under the current directory", "find . -type f", "list all files in the current folder recursively",
         "find . -type f"),
        ("delete the folder old1", "rm -r old1", "remove the directory new2", "rm -r new2"),
        ("delete files older than 7 days in /tmp/x", "find /tmp/x -mtime +7 -delete",
         "remove all files older than 30 days in /tmp/y", "find /tmp/y -mtime +30 -delete"),
        ("show the last 10 lines of a.log", "tail -n10 a.log", "show the last 20 lines of b.log", "tail -n20 b.log"),
        ("search for 'foo' in a.txt", 'grep "foo" a.txt', "search for \"say $x\" in b.txt", None),
        ("search for 'foo' in a.txt", 'grep -F "foo" a.txt', "search for 'a b' in b.txt", 'grep -F "a b" b.txt'),
        ("delete the files in /srv/a", "find /srv/a -delete", "could you please delete all files from /srv/b",
         "find /srv/b -delete"),
        ("count files larger than 1 GB", "find . -size +1G | wc -l", "count files bigger than 20 gigabytes",
         "find . -size +20G | wc -l"),
        ("show 'foo'", "cat foo", "show 'f{o'", "cat 'f{o'"),
        ("set the prompt 'Go? '", "read -p 'Go? '", "set the prompt 'Sure? [y/n] '", "read -p 'Sure? [y/n] '"),
        ("list files matching the regex 'a.*'", "find . -regex 'a.*'", "list files matching the regex 'b.*c.*'",
         "find . -regex 'b.*c.*'"),
        ("shows the option 'nullglob'", "shopt nullglob", "shows the 'extglob' option", "shopt extglob"),
        ("print the third column of a.csv", "cut -f3 a.csv", "print the third column of b.csv", "cut -f3 b.csv"),
        ("show sizes in /x", "ls -l /x | awk '{print $5}'", "show sizes in /y", "ls -l /y | awk '{print $5}'"),
        ("show the city in a.json", "jq .city a.json", "show the city in b.json", "jq .city b.json"),
        ("trim the lines of a.txt", "sed -i 's/[[:space:]]*$//' a.txt", "trim the lines of b.txt",
         "sed -i 's/[[:space:]]*$//' b.txt"),
        ("list files not newer than a.txt", "find . ! -newer a.txt", "list files not newer than b.txt",
         "find . ! -newer b.txt"),
        ("make b.sh executable", "chmod u+x b.sh", "make c.sh executable", "chmod u+x c.sh"),
        ("show file a.txt", "cat a.txt", "show file /x/b.txt", "cat /x/b.txt"),
        ("list '/x'", "ls /x", "list '/y z'", "ls '/y z'"),
        ("list '/x'", 'ls "/x/"', "list '~/y'", None),
    ],
)  # fmt: skip
def test_what_asks_for_the_same_is_bound(saved: str, command: str, goal: str, bound: str | None) -> None:
    answer = bind(run(saved, command), goal)
    if bound is None:
        assert isinstance(answer, Refusal)
    else:
        assert isinstance(answer, Bound), answer
        assert answer.calls == ({"command": bound},)


def test_several_values_are_all_bound_or_none() -> None:
    saved = run("create a.py, b.py and c.py", "touch a.py b.py c.py")
    answer = bind(saved, "create x.py, y.py and z.py")
    assert isinstance(answer, Bound)
    assert answer.calls == ({"command": "touch x.py y.py z.py"},)
    for goal in ("create x.py, y.py", "create x.py", "create x.py and y.py", "create x.py, y.py, z.py and w.py"):
        assert isinstance(bind(saved, goal), Refusal)
    assert isinstance(bind(run("create a.py", "touch a.py"), "create a.py, b.py and c.py"), Refusal)


def test_a_content_that_would_be_broken_by_a_value_is_refused() -> None:
    saved = wrote("create hello.txt containing 'hello'", "hello.txt", 'print("hello")\n')
    assert bind(saved, "create hello.txt containing 'say \"x\"'") == Refusal(
        "t1", "code", "'say \"x\"' would change the text around it"
    )


def test_a_part_of_a_name_that_is_a_word_too_is_not_rebound() -> None:
    saved = wrote("create hello.txt with the text hello", "hello.txt", "hello\n")
    answer = bind(saved, "create bye.txt with the text hello")
    assert isinstance(answer, Refusal)
    assert answer.gate == "repeated"


def test_a_number_of_a_goal_is_not_looked_for_in_a_content() -> None:
    saved = wrote("create n.txt with the numbers 1 to 4", "n.txt", "1\n2\n3\n4\n")
    answer = bind(saved, "create n.txt with the numbers 1 to 6")
    assert isinstance(answer, Refusal)
    assert answer.gate == "code"


def test_a_name_that_is_code_in_the_content_is_refused() -> None:
    saved = wrote("Create a Python file called print.py", "print.py", 'print("x")\n')
    answer = bind(saved, "Create a Python file called helpers.py")
    assert isinstance(answer, Refusal)
    assert answer.gate == "code"


def test_names_of_gates_are_told_apart() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {name for name, *_ in PAIRS} == set(NAMES)
