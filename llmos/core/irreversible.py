"""What a replay needs a fresh yes for because nothing takes it back: deleting, publishing, deploying, paying, sending.

A table of programs with what their words must hold. It is a net and not the boundary: what a program of the person's
own does is not known here. None of it touches live calls, at which a person looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmos.core.dataclass import dataclass
from llmos.core.shell_wrappers import program_name


@dataclass(frozen=True, slots=True)
class _Lasting:
    programs: re.Pattern[str]
    words: re.Pattern[str]
    """What must stand in the words after the program's name; joined by spaces."""
    what: str


def _lasting(what: str, *lines: str) -> Iterator[_Lasting]:
    """Each line: programs, ` :: `, and a pattern of words; a line without a pattern means always."""
    for line in lines:
        programs, _, words = line.partition(" :: ")
        yield _Lasting(re.compile(programs), re.compile(words), what)


_DELETING = r"(?:rm|rmdir|unlink|shred|truncate|srm|trash(?:-put)?|wipe|del)"
_TABLE = (
    *_lasting(
        "deletes files",
        r"tar|bsdtar|gtar :: --remove-files",
        r"zip :: (?:^|\s)-\w*m|--move",
        r"7z\w* :: -sdel|^d\s",
        r"gio|trash\S*|rip|del|srm|wipe :: .",
        rf"fd|fdfind|parallel|entr|watch|xargs|forfiles|rg :: (?:^|\s){_DELETING}(?:\s|$)",
        rf"vim?|nvim|ex|ed|emacs|awk|[gm]awk|g?sed|expect :: (?:^|[^\w-]){_DELETING}(?:\s|\()|\bdelete\(",
        r"python[\d.]*|perl|ruby|node|deno|bun|php|lua|Rscript|osascript|tclsh|pwsh|powershell :: "
        r"\b(?:unlink\w*|rmtree|rm(?:dir)?(?:Sync)?\s*\(|removedirs|os\.remove|File\.delete|FileUtils\.rm\w*|"
        r"rimraf|[Rr]emove-[Ii]tem|"
        r"rmdir|delete_file|fs\.rm\w*|truncate|send2trash)",
        r"g?make|ninja|just|task|rake|ant|cargo|gradlew?|mvnw?|sbt|bazel|go|npm|pnpm|yarn|bun|npx|cmake|meson|"
        r"dotnet|flutter :: "
        r"(?:^|[\s:])(?:\w*clean\w*|purge|mrproper|uninstall|destroy\w*|reset\w*|teardown|nuke|wipe)(?:\s|$)",
        r"logrotate|tmpwatch|tmpreaper|bleachbit|fdupes|rdfind|jdupes|restic|borg :: .",
        r"pip[\d.]*|pipx|npm|pnpm|yarn|gem|conda|mamba|brew|snap|flatpak|apt(?:-get|itude)?|dnf|yum|zypper|apk|uv|"
        r"poetry|cargo :: "
        r"(?:^|\s)(?:uninstall|remove|purge|autoremove|erase|prune|cleanup|del|rm)(?:\s|$)",
        r"pacman|emerge :: (?:^|\s)-\w*[RC]",
        r"zfs|btrfs|zpool|lvm|docker-machine|vagrant|multipass|virsh|qm :: (?:^|\s)(?:destroy|delete|undefine|"
        r"remove)(?:\s|$)",
        r"history :: -\w*[cd]",
    ),
    *_lasting(
        "throws work of git away",
        r"git :: (?:^|\s)(?:reset\s.*--(?:hard|merge|keep)|(?:checkout|switch)\s.*(?:-f|--force|"
        r"--discard-changes)(?:\s|$)|"
        r"restore(?!.*--staged(?!.*--worktree))\s|branch\s.*(?:-f|--force)(?:\s|$)|tag\s.*(?:-d|-f|--delete|"
        r"--force)(?:\s|$)|"
        r"worktree\s+(?:remove|prune)|submodule\s+deinit|(?:rebase|merge|am|cherry-pick|revert)\s.*--(?:abort|quit|"
        r"skip)|"
        r"notes\s+(?:remove|prune)|lfs\s+prune|rebase\s|replace\s|commit\s.*--amend|checkout\s.*(?:--\s|HEAD\S*\s+\S))",
        r"hg|svn|jj|bzr :: (?:^|\s)(?:revert|strip|purge|abandon|update\s+-C|rollback)(?:\s|$)",
    ),
    *_lasting(
        "publishes, or changes what others have",
        r"hg|svn|jj|bzr :: (?:^|\s)(?:push|commit|ci|delete|propset|dcommit|git\s+push)(?:\s|$)",
        r"git :: (?:^|\s)(?:push|send-email|request-pull|send-pack|p4\s+submit|svn\s+dcommit)(?:\s|$)",
        r"twine|goreleaser|semantic-release|changeset|lerna|release-it|np :: .",
        r"docker|podman|buildah|skopeo|nerdctl|crane|oras :: (?:^|\s)(?:push|--push|copy|delete)(?:\s|$)",
        r"helm :: (?:^|\s)(?:install|upgrade|rollback|push|uninstall|delete)(?:\s|$)",
        r"gh|glab|hub|tea|jira|linear :: (?:^|\s)(?:create|delete|close|merge|edit|comment|reopen|review|upload|"
        r"move|lock|"
        r"transfer|archive|rename|cancel|disable|enable)(?:\s|$)|-X\s*(?:DELETE|POST|PUT|PATCH)|--method|-f\s|-F\s",
    ),
    *_lasting(
        "deploys, or takes down what runs",
        r"kubectl|oc|k9s|kustomize|argocd|flux :: (?:^|\s)(?:apply|create|patch|set|edit|label|annotate|taint|"
        r"cordon|drain|delete|"
        r"replace|scale|rollout|autoscale|expose|run|exec|cp|sync|uncordon|reconcile)(?:\s|$)",
        r"terraform|tofu|terragrunt|pulumi|cdk|cdktf|packer|nomad|serverless|sls|sam|eb|copilot|waypoint|kamal|cap|"
        r"fab|dokku|"
        r"ansible\S*|salt\S*|puppet|chef-client|capistrano|mina|deployer|dep :: "
        r"(?:^|[\s:])(?:apply|destroy|state|import|taint|up|down|deploy\w*|terminate|remove|run|job|stop|delete|"
        r"import|\w+\.ya?ml|-a|-m)"
        r"(?:\s|$)",
        r"aws|gcloud|az|doctl|linode-cli|hcloud|oci|ibmcloud|flyctl?|heroku|vercel|netlify|wrangler|firebase|"
        r"supabase|railway|render|"
        r"scw|vultr-cli|exo|openstack|nova|cf|surge :: "
        r"(?:^|\s|:)(?:(?:delete|terminate|remove|destroy|update|put|create|stop|reboot|modify|deregister|detach|"
        r"revoke|send|publish|"
        r"restore|scale|deploy|reset|run|start|invoke|attach|set|add|disable|enable|purge|import|cancel|"
        r"release)(?:-\w+)*|rm|rb|mv|cp|"
        r"sync|deploy|up|secrets?|destroy)(?:\s|$)|--delete|--prod",
        r"gsutil|rclone|mc|s3cmd|s4cmd|s5cmd|azcopy|b2|swift :: (?:^|\s)(?:rm|rb|del|delete\w*|purge|sync|move|mv|"
        r"cp|copy\w*|put|cleanup|"
        r"rmdirs?|upload|mirror|remove)(?:\s|$)",
        r"docker|podman|nerdctl|docker-compose|podman-compose :: (?:^|\s)(?:rm|rmi|prune|down|kill|stop|restart|"
        r"remove|swarm|stack|"
        r"service|update|pause)(?:\s|$)",
        r"systemctl|service|supervisorctl|pm2|launchctl|initctl|rc-service|sv|s6-rc|monit|brew :: (?:^|\s)(?:stop|"
        r"restart|reload\S*|"
        r"disable|mask|kill|delete|unload|remove|bootout|isolate|services)(?:\s|$)",
        r"kill|pkill|killall|skill|xkill|fuser :: ^(?!.*(?:-l|-0)\s*$).*\S",
        r"ssh|sftp|lftp|ftp|ncftpput|mosh|sshpass|pssh|pdsh|telnet|nc|ncat|socat :: \S",
        r"scp|rsync :: \S:\S*|\S@\S",
    ),
    *_lasting(
        "changes or deletes data of a database",
        r"psql|mysql|mariadb|sqlite3?|duckdb|cqlsh|clickhouse\S*|sqlcmd|sqlplus|impala-shell|hive|beeline|snowsql|"
        r"bq|usql|pgcli|mycli|"
        r"litecli|cockroach|influx|mongo\w*|redis-cli|valkey-cli|etcdctl|consul|vault|nats|kafka-\S+|rabbitmq\S* :: "
        r"(?i)\b(?:drop|truncate|delete\w*|update|insert|alter|replace|remove\w*|create|grant|revoke|merge|del|"
        r"unlink|flush\w*|put|set|mset|"
        r"rename|restore|load|import|copy|vacuum|purge|kv\s+put|publish|produce|eval|exec\w*|expire)\b|(?:^|"
        r"\s)(?:-f|--file|<)|\.read\b",
        r"dropdb|dropuser|createdb|createuser|pg_restore|pg_resetwal|mysqladmin|mysqlimport|mongorestore|"
        r"mongoimport|initdb :: .",
        r"rails|rake|artisan|php|python[\d.]*|manage\.py|django-admin|flask|alembic|prisma|knex|sequelize|typeorm|"
        r"drizzle-kit|flyway|"
        r"liquibase|dbmate|goose|migrate|diesel|sqlx|mix|ecto|supabase|doctrine|phinx :: "
        r"(?:^|[\s:])(?:migrat\w*|flush|downgrade|upgrade|reset\w*|clean|drop\w*|undo|rollback\w*|down|up|redo|"
        r"push|seed|loaddata|sqlflush|"
        r"db:\w+|db|fresh|wipe)(?:[\s:]|$)",
    ),
    *_lasting(
        "sends something to a server",
        r"curl|curlie :: (?:^|\s)(?:-X\s*|--request[\s=])(?!GET\b|HEAD\b|OPTIONS\b)\w|(?:^|\s)(?:-\w*[dTF]|"
        r"--data\S*|--upload-file|--form\S*|"
        r"--json|--mail-\S+)(?:[\s=@]|$)|(?:^|\s)-[dTF]\S",
        r"wget :: --(?:method=(?!GET|HEAD)|post-|body-)",
        r"https?|xh|xhs|httpie :: (?:^|\s)(?:POST|PUT|PATCH|DELETE)\s|\s\S+:?=\S",
        r"grpcurl|evans|websocat|wscat|mosquitto_pub|mqtt :: .",
        r"stripe|paypal|braintree|square|plaid|bitcoin-cli|lncli|lightning-cli|eth|cast|geth|solana|"
        r"monero-wallet-cli|ledger-live :: .",
        r"mail|mailx|sendmail|mutt|neomutt|msmtp|swaks|s-nail|ssmtp|exim4?|himalaya|twilio|slack\S*|discord\S*|"
        r"telegram-send|ntfy|"
        r"signal-cli|wall|write|notify-slack|apprise :: .",
    ),
    *_lasting(
        "changes modes or owners of a whole tree",
        r"chmod|chown|chgrp|setfacl|chattr :: (?:^|\s)(?:-\w*R|--recursive)",
        r"sysctl|systemd-sysctl :: -w|=",
    ),
)
_UNKNOWN = re.compile(r"[$`]")
_RUNS_MODULE = re.compile(r"python[\d.]*|py")
_RUNS_SCRIPT = frozenset("bundle pipenv hatch rye pdm poetry uv npx bunx pnpm yarn".split())


def lasting(commands: Sequence[Sequence[str]], sources: Sequence[str]) -> str:
    """What of these commands nothing takes back, in words; empty where nothing is known of that kind.

    `sources` are the files that are fed to them.
    """
    for words in commands:
        if _UNKNOWN.search(words[0]):
            return "runs a program whose name is not known before"
        for command in _as_run(words):
            if what := _of(command, fed=bool(sources)):
                return what
    return ""


def _as_run(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """The command, and what it runs by another's name: `python -m twine`, `bundle exec rake`."""
    yield words
    name = program_name(words)
    if _RUNS_MODULE.fullmatch(name) and "-m" in words[:-1]:
        yield words[words.index("-m") + 1 :]
    if name in _RUNS_SCRIPT:
        yield from (words[at:] for at in range(1, min(len(words), 4)) if not words[at].startswith("-"))


def _of(words: Sequence[str], *, fed: bool) -> str:
    name = program_name(words)
    rest = " ".join(words[1:]) + (" <" if fed else "")
    return next((one.what for one in _TABLE if one.programs.fullmatch(name) and one.words.search(rest)), "")
