"""Commands that only look, with the options under which they do. Data: what is not listed here is asked about.

One line a command: its name, then fields. `-` short options, `-=` short options with a value, `--` long options,
`--=` long options with a value. Without a field for operands every operand is a path; `text` means that none is,
`pattern` that the first is none, `none` that there are none, `max=N` that there are at most N. `any-glob`: names of
files that a glob brings in may look like options without harm.
"""

from __future__ import annotations

from enum import StrEnum

from llmos.core.dataclass import dataclass


class Operands(StrEnum):
    PATHS = "paths"
    TEXT = "text"
    PATTERN = "pattern"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Listed:
    """How one command may be called."""

    short: str
    short_values: str
    long: frozenset[str]
    long_values: frozenset[str]
    operands: Operands
    most: int
    any_glob: bool


_TABLE = """
ls        -=aAbBcCdfFgGhHiIklmnNopqQrRsStuUvwxXZ1 --=all,almost-all,author,block-size,classify,color,directory,full-time,group-directories-first,human-readable,inode,numeric-uid-gid,recursive,reverse,size,si --val=sort,time,time-style,hide,ignore,format,indicator-style any-glob
cat       -=AbeEnstTuv --=number,number-nonblank,show-all,show-ends,show-tabs,squeeze-blank any-glob
tac       -=b any-glob
head      -=qv0123456789 -v=nc --=quiet,verbose --val=lines,bytes any-glob
tail      -=qv0123456789 -v=nc --=quiet,verbose --val=lines,bytes any-glob
wc        -=clmLw --=bytes,chars,lines,max-line-length,words any-glob
nl        -=p -v=bdfhilnsvw any-glob
cut       -=sz -v=bcdf --=complement,only-delimited --val=bytes,characters,delimiter,fields,output-delimiter any-glob
paste     -=sz -v=d --=serial --val=delimiters
sort      -=bdfghiMnrRsuVcCz -v=kt --=ignore-leading-blanks,dictionary-order,ignore-case,general-numeric-sort,human-numeric-sort,month-sort,numeric-sort,reverse,stable,unique,version-sort,check,zero-terminated --val=key,field-separator
uniq      -=cdDiuz -v=fsw --=count,repeated,ignore-case,unique,zero-terminated --val=skip-fields,skip-chars,check-chars max=1
comm      -=123 --=check-order,nocheck-order,total
join      -=i -v=aejt12vo
tr        -=cCdst --=complement,delete,squeeze-repeats text
rev
fold      -=bs -v=w
fmt       -=cstu -v=w
expand    -=i -v=t
column    -=tx -v=csNo
od        -=abcdfilosxv -v=AtNjw
xxd       -=aEuibpC -v=lsgc max=1
hexdump   -=bcCdovx -v=ns
strings   -=afo -v=nt
file      -=bhikLNprs0 --=brief,dereference,mime,mime-type,mime-encoding
stat      -=fLt -v=cf --=dereference,file-system,terse --val=format,printf any-glob
du        -=0abcDhHklmsSx -v=dt --=all,apparent-size,bytes,total,human-readable,summarize,separate-dirs --val=max-depth,threshold,exclude any-glob
df        -=ahHiklPT -v=tx --=all,human-readable,inodes,portability,print-type,total
tree      -=adfiLpughDFrtCnsNQx0123456789 -v=LIP --=dirsfirst,noreport,du,prune,gitignore
basename  -=az -v=s --=multiple,zero --val=suffix text
dirname   -=z --=zero text
realpath  -=eLmPqsz --=canonicalize-existing,canonicalize-missing,no-symlinks
readlink  -=femnqsvz --=canonicalize,canonicalize-existing,canonicalize-missing,no-newline
md5sum    -=btz --=binary,text,tag any-glob
sha1sum   -=btz --=binary,text,tag any-glob
sha256sum -=btz --=binary,text,tag any-glob
sha512sum -=btz --=binary,text,tag any-glob
cksum     any-glob
diff      -=abBcdeEiNqrstuwyZ -v=CUWx --=brief,recursive,unified,side-by-side,ignore-case,ignore-all-space,ignore-blank-lines,ignore-space-change,new-file,text,color,suppress-common-lines,report-identical-files --val=exclude,width max=2
cmp       -=bls -v=in max=2
grep      -=abcEFGhHiIlLnoqrsvwxyzZP0123456789 -v=ABCem --=extended-regexp,fixed-strings,perl-regexp,ignore-case,invert-match,word-regexp,line-regexp,count,color,files-with-matches,files-without-match,only-matching,quiet,no-messages,line-number,with-filename,no-filename,null,recursive,text --val=regexp,max-count,after-context,before-context,context,include,exclude,exclude-dir,color pattern
egrep     -=abchHiIlLnoqrsvwxz0123456789 -v=ABCem --=ignore-case,count,line-number,recursive --val=include,exclude,exclude-dir pattern
fgrep     -=abchHiIlLnoqrsvwxz0123456789 -v=ABCem --=ignore-case,count,line-number,recursive --val=include,exclude,exclude-dir pattern
rg        -=aciFHIlNnopqsSUuvwx0 -v=ABCegmtTdrjM --=count,count-matches,files-with-matches,files-without-match,fixed-strings,heading,no-heading,ignore-case,smart-case,case-sensitive,invert-match,line-number,no-line-number,multiline,only-matching,quiet,word-regexp,json,hidden,no-ignore,stats,trim,vimgrep,with-filename,no-filename,column --val=after-context,before-context,context,glob,iglob,max-count,max-depth,regexp,type,type-not,sort,sortr,color,replace,max-columns pattern
jq        -=cCMSrjaesn --=compact-output,raw-output,sort-keys,slurp,tab,exit-status,null-input,join-output,color-output,monochrome-output --val=indent pattern
echo      -=enE text
printf    text
pwd       -=LP none
true      text
false     text
date      -=uR -v=dI --=utc,universal,rfc-email --val=date,iso-8601,rfc-3339 text
cal       -=1jm3y text
whoami    none
id        -=gGnruz --=user,group,groups,name text
groups    text
uname     -=amnorspvi --=all,kernel-name,kernel-release,machine,operating-system none
hostname  -=fsiI none
arch      none
nproc     --=all none
uptime    -=ps none
free      -=bkmghwt none
ps        -=aAcdeflFHjmNTwx -v=opCuUt --val=sort text
which     -=a text
type      -=afptP text
seq       -=w -v=fs --=equal-width --val=separator,format text
expr      text
factor    text
sleep     text
test      -=defhLnrstwxzS any-glob
cd        max=1
tty       -=s none
"""

_PREFIXES = {"-=": "short", "-v=": "short_values", "--=": "long", "--val=": "long_values"}


def _listed(fields: list[str]) -> Listed:
    found = {"short": "", "short_values": "", "long": "", "long_values": ""}
    operands, most, any_glob = Operands.PATHS, 1_000, False
    for field in fields:
        prefix = next((prefix for prefix in _PREFIXES if field.startswith(prefix)), None)
        if prefix is not None:
            found[_PREFIXES[prefix]] = field.removeprefix(prefix)
        elif field.startswith("max="):
            most = int(field.removeprefix("max="))
        elif field == "any-glob":
            any_glob = True
        else:
            operands = Operands(field)
    return Listed(
        found["short"],
        found["short_values"],
        frozenset(found["long"].split(",")) - {""},
        frozenset(found["long_values"].split(",")) - {""},
        operands,
        most,
        any_glob,
    )


COMMANDS = {name: _listed(fields) for name, *fields in (line.split() for line in _TABLE.strip().splitlines())}

FIND_TESTS = {
    "-name": 1, "-iname": 1, "-path": 1, "-ipath": 1, "-wholename": 1, "-regex": 1, "-iregex": 1, "-regextype": 1,
    "-type": 1, "-size": 1, "-mtime": 1, "-mmin": 1, "-atime": 1, "-amin": 1, "-ctime": 1, "-cmin": 1, "-user": 1,
    "-group": 1, "-perm": 1, "-links": 1, "-maxdepth": 1, "-mindepth": 1, "-newermt": 1, "-printf": 1, "-empty": 0,
    "-readable": 0, "-writable": 0, "-executable": 0, "-print": 0, "-print0": 0, "-ls": 0, "-prune": 0, "-quit": 0, "-not": 0,
    "!": 0, "-o": 0, "-or": 0, "-a": 0, "-and": 0, "(": 0, ")": 0, "-true": 0, "-false": 0, "-xdev": 0, "-mount": 0,
    "-depth": 0, "-daystart": 0, "-P": 0,
}  # fmt: skip
"""What `find` may be asked, with the number of words that follow. No test here writes or runs anything."""

_LOG = (
    "oneline graph all decorate stat shortstat numstat name-only name-status patch no-patch reverse no-merges merges "
    "first-parent abbrev-commit follow cached staged no-color color word-diff ignore-all-space ignore-space-change "
    "summary no-renames no-ext-diff no-textconv minimal raw quiet exit-code no-pager left-right cherry-pick branches "
    "tags remotes cc full-history relative-date"
)
_LOG_VALUES = (
    "format pretty since until after before author grep max-count skip diff-filter date unified abbrev decorate color"
)

GIT = {
    "status": Listed("sbuvz", "", frozenset("short branch porcelain long verbose show-stash ahead-behind".split()),
                     frozenset(["porcelain", "untracked-files", "ignored", "column"]), Operands.PATHS, 100, False),
    "log": Listed("pqswbi0123456789", "nSGLU", frozenset(_LOG.split()), frozenset(_LOG_VALUES.split()), Operands.PATHS, 100, False),
    "show": Listed("pqswb0123456789", "nU", frozenset(_LOG.split()), frozenset(_LOG_VALUES.split()), Operands.PATHS, 100, False),
    "diff": Listed("pqswbRz", "U", frozenset(_LOG.split()), frozenset(_LOG_VALUES.split()), Operands.PATHS, 100, False),
    "branch": Listed("arvlq", "", frozenset("all remotes list show-current verbose no-color".split()),
                     frozenset(["sort", "contains", "merged", "no-merged", "format"]), Operands.NONE, 0, False),
    "tag": Listed("l", "n", frozenset(["list"]), frozenset(["sort", "format", "contains", "points-at"]), Operands.NONE, 0, False),
    "remote": Listed("v", "", frozenset(["verbose"]), frozenset(), Operands.NONE, 0, False),
    "rev-parse": Listed("q", "", frozenset("short abbrev-ref show-toplevel git-dir is-inside-work-tree verify symbolic-full-name".split()),
                        frozenset(["short"]), Operands.TEXT, 5, False),
    "rev-list": Listed("", "n", frozenset("count all no-merges reverse".split()), frozenset(["max-count", "since", "until"]),
                       Operands.PATHS, 20, False),
    "ls-files": Listed("cdmoistuvz", "x", frozenset("cached deleted modified others ignored stage unmerged exclude-standard full-name".split()),
                       frozenset(["exclude"]), Operands.PATHS, 100, False),
    "ls-tree": Listed("rdtlz", "", frozenset("name-only name-status long full-name".split()), frozenset(), Operands.PATHS, 100, False),
    "blame": Listed("lstfnew", "L", frozenset("porcelain show-email date".split()), frozenset(["date"]), Operands.PATHS, 4, False),
    "describe": Listed("", "", frozenset("tags always dirty all long".split()), frozenset(["abbrev", "match"]), Operands.TEXT, 3, False),
    "shortlog": Listed("sne", "", frozenset("summary numbered email all".split()), frozenset(["since", "until"]), Operands.PATHS, 5, False),
    "stash list": Listed("", "", frozenset(["oneline"]), frozenset(["format"]), Operands.NONE, 0, False),
    "grep": Listed("aiInlLwvcEFPqhHo", "eABCm", frozenset("ignore-case line-number count name-only word-regexp cached fixed-strings".split()),
                   frozenset(["max-depth"]), Operands.PATTERN, 100, False),
    "cat-file": Listed("tspe", "", frozenset(), frozenset(), Operands.TEXT, 2, False),
    "merge-base": Listed("a", "", frozenset(["all", "is-ancestor"]), frozenset(), Operands.TEXT, 5, False),
    "count-objects": Listed("vH", "", frozenset(["verbose", "human-readable"]), frozenset(), Operands.NONE, 0, False),
    "reflog": Listed("", "n", frozenset(["oneline"]), frozenset(["date", "max-count"]), Operands.NONE, 0, False),
}  # fmt: skip
"""The commands of git that look, in a repository whose own settings run nothing."""

VERSION_ONLY = frozenset(
    """python python3 pip pip3 node npm yarn pnpm cargo rustc rustup go gcc g++ cc clang make cmake git docker java ruby
    perl bash zsh php terraform kubectl jq rg curl wget ssh uv poetry ruff mypy pytest black tsc deno bun""".split()
)
"""Programs that may be asked for their version, and for nothing else."""
