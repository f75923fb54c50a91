"""The floor: what no rule, no mode and no earlier yes passes, and what a replay needs a fresh yes for.

NEVER is denied whoever asks. PERSON needs a person's yes to this very call. DESTRUCTIVE is ordinary work while a
person watches (what cannot be taken back), and needs a yes for each replay. The floor looks at every command that can be made out, and at the
text: it is a net under mistakes and not the boundary, which is the sandbox.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from enum import IntEnum

from llmos.core.dataclass import dataclass
from llmos.core.shell_syntax import ShellReading
from llmos.core.shell_wrappers import program_name


class Danger(IntEnum):
    """Ordered: the worst counts."""

    DESTRUCTIVE = 1
    PERSON = 2
    NEVER = 3


@dataclass(frozen=True, slots=True)
class Risk:
    danger: Danger
    what: str


_SYSTEM = frozenset(
    "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /media /mnt /opt /private /proc /root /run /sbin /srv /sys /usr /var "
    "/Users /Applications /Library /System /usr/bin /usr/lib /usr/local /var/lib /var/log".split()
)
_HOME = re.compile(r"(?:~[\w-]*|\$HOME|\$\{HOME[^}]*\}|/home/[^/]+|/Users/[^/]+|/root)(?:/\*?|/\.\*?)?\Z")
_DEVICE = re.compile(r"/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|disk|rdisk|md|dm-|mapper/|loop|sr|mem|kmem|port)")
_DISK_TOOLS = frozenset(
    "wipefs fdisk sfdisk cfdisk gdisk sgdisk parted mkswap blkdiscard hdparm cryptsetup pvremove vgremove lvremove "
    "zpool mdadm badblocks fsck debugfs tune2fs".split()
)
_LOOKS = re.compile(r"-l|--list|-h|--help|--version|print|list|status|-V")
CREDENTIALS = re.compile(
    r"(?:^|[/\s=:'\"@])(?:\.(?:ssh|aws|gnupg|azure|kube|docker|config/gcloud|config/gh|password-store|netrc|pgpass|npmrc|pypirc|"
    r"git-credentials|boto|s3cfg|env(?:\.(?!example|sample|template|dist)[\w-]+)*|my\.cnf|vault-token|htpasswd|"
    r"local/share/keyrings|mozilla|config/google-chrome|cargo/credentials(?:\.toml)?|terraform\.d|llmos/(?:approvals|permissions)\.jsonl)|"
    r"id_(?:rsa|dsa|ecdsa|ed25519)|credentials\.json|service[-_]account[\w-]*\.json|[\w.-]+\.(?:pem|p12|pfx|kdbx|keystore|jks)|"
    r"etc/g?shadow|etc/sudoers|master\.key)(?=$|[/\s'\":,;)|])",
    re.IGNORECASE,
)
"""Names of files and folders that hold credentials, where a path may stand."""
_GUARDED = re.compile(
    r"(?:^|/)(?:\.git(?:/|$)|\.gitconfig$|\.bashrc$|\.bash_profile$|\.bash_login$|\.profile$|\.zshrc$|\.zshenv$|\.zprofile$|"
    r"\.inputrc$|\.vimrc$|\.envrc$|\.llmos(?:/|$)|\.config/(?:fish|autostart|systemd)/|\.vscode/(?:tasks|settings)\.json$|"
    r"\.idea/|\.github/workflows/|\.mcp\.json$|\.claude/|crontab$|authorized_keys$)"
)
"""Files that some program runs or obeys later; writing them is more than an edit."""
_PUBLISH = {
    "npm": ("publish", "unpublish", "deprecate", "adduser", "login", "token"), "pnpm": ("publish",), "yarn": ("publish",),
    "bun": ("publish",), "cargo": ("publish", "yank", "login", "owner"), "gem": ("push", "yank"), "twine": ("upload",),
    "poetry": ("publish",), "uv": ("publish",), "flit": ("publish",), "hatch": ("publish",), "docker": ("push", "login"),
    "podman": ("push", "login"), "helm": ("push", "uninstall", "delete"), "vsce": ("publish",), "mvn": ("deploy",),
    "gradle": ("publish",), "terraform": ("apply", "destroy"), "tofu": ("apply", "destroy"), "pulumi": ("up", "destroy"),
    "kubectl": ("delete", "apply", "drain", "replace", "scale", "rollout"), "fly": ("deploy",), "flyctl": ("deploy",),
    "vercel": ("deploy", "--prod"), "netlify": ("deploy",), "firebase": ("deploy",), "heroku": ("destroy", "apps:destroy"),
    "serverless": ("deploy", "remove"), "cdk": ("deploy", "destroy"), "ansible-playbook": ("",), "sls": ("deploy", "remove"),
    "dotnet": ("nuget",), "pod": ("trunk",), "mix": ("hex.publish",), "goreleaser": ("release",), "semantic-release": ("",),
    "aws": ("delete", "rm", "rb", "terminate-instances", "delete-bucket", "delete-stack", "configure"),
    "gcloud": ("delete", "deploy", "auth"), "az": ("delete", "login"), "gh": ("release", "delete", "auth", "secret", "merge"),
    "eas": ("submit",), "fastlane": ("",), "surge": ("",),
}  # fmt: skip
"""Programs that publish, deploy, or take down what others use, with the words that do; an empty word is always."""
_ACCOUNTS = frozenset(
    "shutdown reboot halt poweroff init telinit useradd userdel usermod groupdel passwd chpasswd visudo crontab at batch "
    "iptables nft ufw sudo doas su pkexec run0 insmod rmmod modprobe swapoff kexec mount umount setenforce security".split()
)
_DELETES = frozenset("rm rmdir unlink shred truncate srm trash wipe".split())
_LANGUAGES = re.compile(r"python[\d.]*|perl|ruby|node|deno|bun|php|lua|Rscript|awk|gawk|osascript|tclsh|ghci|irb|psql")
_BOMB = re.compile(r":\s*\(\s*\)\s*\{.*:\s*\|\s*:", re.DOTALL)
_TEXT_NEVER = re.compile(
    r"rmtree\(\s*['\"](?:/|~|/home/?|/root/?)['\"]|"
    r"\brm\s+(?:-\w+\s+|--\w+\s+)*-\w*[rR]\w*\s+(?:-\w+\s+|--\w*\s+)*['\"]?(?:/|~|\$HOME|\$\{HOME\})[/*]*(?:['\"\s;&|)]|$)",
    re.DOTALL,
)
_SQL = re.compile(r"\b(?:drop\s+(?:database|table|schema)|truncate\s+table|delete\s+from)\b", re.IGNORECASE)
_DATABASES = re.compile(r"psql|mysql|mariadb|sqlite3|mongo|mongosh|redis-cli")
_DROPS = re.compile(r"\b(?:dropDatabase|FLUSHALL|FLUSHDB|drop\()", re.IGNORECASE)
_SECRET_TOOLS = {
    "security": "find-",
    "pass": "",
    "secret-tool": "lookup",
    "op": "read",
    "vault": "read",
    "gpg": "--export-secret",
}


def risk_of_command(text: str, reading: ShellReading) -> Risk | None:
    """The worst that a shell command may do, as far as it shows."""
    found = list(_text_risks(text, reading))
    for words in reading.commands:
        found += _command_risks(words)
        if any(CREDENTIALS.search(word) for word in _names_in(words)):
            found.append(Risk(Danger.PERSON, "touches files that hold credentials"))
    for target in reading.targets:
        found += _write_risks(target)
    if any(CREDENTIALS.search(source) for source in reading.sources):
        found.append(Risk(Danger.PERSON, "reads files that hold credentials"))
    if any(program_name(words) in ("curl", "wget") for words in reading.commands) and _feeds_a_shell(text, reading):
        found.append(Risk(Danger.PERSON, "runs what it downloads"))
    return max(found, key=lambda risk: risk.danger, default=None)


def risk_of_path(path: str, *, writes: bool) -> Risk | None:
    """What is the matter with a path that a file tool reads or writes; None where nothing is."""
    found = _write_risks(path) if writes else []
    if CREDENTIALS.search(path):
        found = [*found, Risk(Danger.PERSON, f"touches {path}, which may hold credentials")]
    return max(found, key=lambda risk: risk.danger, default=None)


def is_credential(path: str) -> bool:
    return bool(CREDENTIALS.search(path))


def _text_risks(text: str, reading: ShellReading) -> Iterator[Risk]:
    """What the text shows where its commands do not say all: code of other languages, or what cannot be made out."""
    if _BOMB.search(text):
        yield Risk(Danger.NEVER, "destroys a home folder, the system or the machine's work")
    if reading.hidden or any(_LANGUAGES.match(program_name(words)) for words in reading.commands):
        if _TEXT_NEVER.search(text):
            yield Risk(Danger.NEVER, "destroys a home folder, the system or the machine's work")
        if CREDENTIALS.search(text.replace("\\", "")):
            yield Risk(Danger.PERSON, "touches files that hold credentials")
    if _SQL.search(text):
        yield Risk(Danger.DESTRUCTIVE, "deletes data of a database")


def _names_in(words: Sequence[str]) -> Sequence[str]:
    """The words of a command that may name files: not what it prints, searches for, or says of a commit."""
    name, rest = program_name(words), list(words[1:])
    if name in ("echo", "printf"):
        return ()
    if name in ("grep", "egrep", "fgrep", "rg", "ag", "ack"):
        pattern = next((at for at, word in enumerate(rest) if not word.startswith("-")), len(rest))
        return [*rest[:pattern], *rest[pattern + 1 :]]
    if name == "git":
        texts = ("-m", "-am", "--message", "-S", "-G", "--grep")
        return [word for before, word in zip(("", *rest), rest, strict=False) if before not in texts]
    return rest


def _command_risks(words: Sequence[str]) -> Iterator[Risk]:
    name, rest = program_name(words), words[1:]
    if name in _DELETES or name in ("mv", "chmod", "chown", "chgrp", "setfacl", "chattr"):
        yield from _tree_risks(name, rest)
    elif name == "find" and any(word in ("-delete", "-exec", "-execdir") for word in rest):
        yield from _find_risks(rest)
    elif name == "rsync" and any(word.startswith(("--delete", "--remove-source")) for word in rest):
        yield from _tree_risks("rm", ["-r", *rest])
    elif name == "git":
        yield from _git_risks(rest)
    if name in ("cp", "mv", "ln", "install", "rsync", "tee", "patch") or (name == "sed" and "-i" in " ".join(rest)):
        for path in rest if name in ("tee", "sed", "patch") else rest[-1:]:
            yield from _write_risks(path)
    yield from _disk_risks(name, rest)
    yield from _shared_risks(name, rest)


def _disk_risks(name: str, rest: Sequence[str]) -> Iterator[Risk]:
    makes = name.startswith("mkfs") or name in ("newfs", "diskutil", "wipefs", "zpool")
    if (makes or name in _DISK_TOOLS) and not any(_LOOKS.fullmatch(word) for word in rest):
        if makes or any(_DEVICE.match(word) for word in rest):
            yield Risk(Danger.NEVER, "changes a disk below its files")
        yield Risk(Danger.PERSON, "changes disks")
    if name in ("dd", "cp", "tee", "shred", "mv") and any(_DEVICE.match(_value(word)) for word in _writes(name, rest)):
        yield Risk(Danger.NEVER, "writes to a disk below its files")


def _shared_risks(name: str, rest: Sequence[str]) -> Iterator[Risk]:
    """What others use, the machine, the accounts on it, and the data of databases."""
    if name in _PUBLISH and any(word == part or not part for part in _PUBLISH[name] for word in (*rest, "")):
        yield Risk(Danger.PERSON, "publishes, deploys, or changes what others use")
    if name in _ACCOUNTS and not any(word in ("--help", "--version", "-l") for word in rest):
        yield Risk(Danger.PERSON, "changes the machine or acts as another user")
    if name in _SECRET_TOOLS and any(word.startswith(_SECRET_TOOLS[name]) for word in rest):
        yield Risk(Danger.PERSON, "reads stored credentials")
    if _DATABASES.fullmatch(name) and any(_SQL.search(word) or _DROPS.search(word) for word in rest):
        yield Risk(Danger.DESTRUCTIVE, "deletes data of a database")
    if name in ("kill", "killall", "pkill") and any(word in ("-1", "1") for word in rest):
        yield Risk(Danger.PERSON, "ends programs that are not its own")


def _tree_risks(name: str, rest: Sequence[str]) -> Iterator[Risk]:
    """Deleting, moving away, or re-owning whole trees."""
    options = [word for word in rest if word.startswith("-")]
    whole = any(re.fullmatch(r"-\w*[rR]\w*|--recursive", word) for word in options)
    paths = [word for word in rest if not word.startswith("-")]
    targets = paths if name in _DELETES else (paths[:-1] if name == "mv" else paths[1:])
    if "--no-preserve-root" in options or (
        (whole or name in ("mv", "rmdir", "shred")) and any(_is_vital(path) for path in targets)
    ):
        yield Risk(Danger.NEVER, "destroys a home folder or the system")
    if name in _DELETES and any(_DEVICE.match(path) for path in paths):
        yield Risk(Danger.NEVER, "writes to a disk below its files")
    if name in _DELETES:
        yield Risk(Danger.DESTRUCTIVE, "deletes files")


def _is_vital(path: str) -> bool:
    """Whether a path is the root, a folder of the system, a home, or everything in one of them."""
    bare = re.sub(r"/(?:\*|\.\[!\.\]\*|\{.*\}|\.\*)?\Z", "", path) or "/"
    normal = posixpath.normpath(bare) if bare.startswith("/") else bare
    normal = "/" + normal.lstrip("/") if normal.startswith("/") else normal
    return normal in _SYSTEM or bool(_HOME.match(path)) or path in ("/*", "/.", "*/", "..", "../..", "../../..", "../*")


def _find_risks(rest: Sequence[str]) -> Iterator[Risk]:
    deletes = "-delete" in rest or any(program_name((word,)) in _DELETES for word in rest)
    if not deletes:
        return
    starts = []
    for word in rest:
        if word.startswith(("-", "(", "!")):
            break
        starts.append(word)
    narrowed = any(
        word in ("-name", "-iname", "-path", "-regex", "-newer", "-mtime", "-mmin", "-size") for word in rest
    )
    if any(_is_vital(start) for start in starts) and not narrowed:
        yield Risk(Danger.NEVER, "destroys a home folder or the system")
    elif any(_is_vital(start) for start in starts):
        yield Risk(Danger.PERSON, "deletes files all over a home folder or the system")
    yield Risk(Danger.DESTRUCTIVE, "deletes files")


def _git_risks(rest: Sequence[str]) -> Iterator[Risk]:
    words = list(rest)
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in ("-C", "-c", "--git-dir", "--work-tree", "--namespace") else words[1:]
    if not words:
        return
    name, options = words[0], words[1:]
    if name == "push":
        forced = any(re.match(r"--force|--mirror|--delete|--prune|-\w*[fd]|\+\w|:\w", word) for word in options)
        if forced:
            yield Risk(Danger.PERSON, "overwrites or deletes what others have")
        else:
            yield Risk(Danger.DESTRUCTIVE, "publishes commits")
    elif name in ("filter-branch", "filter-repo", "update-ref", "credential", "svn"):
        yield Risk(Danger.PERSON, "rewrites history or reads credentials")
    elif name == "clean" and any(re.match(r"-\w*[fd]|--force", word) for word in options):
        yield Risk(Danger.DESTRUCTIVE, "deletes files that git does not know")
    elif (name == "reset" and "--hard" in options) or (name in ("checkout", "restore") and {".", "--"} & set(options)):
        yield Risk(Danger.DESTRUCTIVE, "throws changes away")
    elif name in ("rm", "gc", "prune") or (
        name == "branch" and any(re.match(r"-\w*[dDM]|--delete", w) for w in options)
    ):
        yield Risk(Danger.DESTRUCTIVE, "deletes from the repository")
    elif (name == "stash" and options[:1] in (["drop"], ["clear"])) or (name == "reflog" and options[:1] == ["expire"]):
        yield Risk(Danger.DESTRUCTIVE, "throws changes away")


def _write_risks(path: str) -> Iterator[Risk]:
    if _DEVICE.match(path):
        yield Risk(Danger.NEVER, "writes to a disk below its files")
    if _GUARDED.search(path) or CREDENTIALS.search(path):
        yield Risk(Danger.PERSON, f"writes {path}, which other programs obey or which holds credentials")


def _writes(name: str, rest: Sequence[str]) -> Sequence[str]:
    """The words that name what is written to."""
    if name == "dd":
        return [word for word in rest if word.startswith("of=")]
    return [word for word in rest if not word.startswith("-")][-1:] if name in ("cp", "mv") else list(rest)


def _value(word: str) -> str:
    return word.partition("=")[2] if word.startswith("of=") else word


def _feeds_a_shell(text: str, reading: ShellReading) -> bool:
    shells = (
        "sh",
        "bash",
        "zsh",
        "dash",
        "ksh",
        "python",
        "python3",
        "perl",
        "ruby",
        "node",
        "source",
        ".",
        "eval",
        "iex",
    )
    fed = any(program_name(words) in shells for words in reading.commands)
    return fed and ("|" in text or "$(" in text or "<(" in text or "`" in text)
