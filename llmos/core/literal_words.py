"""Words of plain English that are no values where one might stand."""

from __future__ import annotations

from functools import lru_cache

COMMON = frozenset(
    """a about access accessed accounts active after again ago all also an and any are as at attributes based be been
    before being belong belonging belongs below between binary both but by called can case changed child column columns
    command commands contain containing contains content contents copy count created current data date deleted
    depth descriptor descriptors differ directories directory does each either empty end ending ends entire entries
    every except excluding execute executed execution exist exists extension extensions file filename filenames files
    first folder folders following for found format from full get given group groups has have having hierarchy home id
    ids if in inside instead into is it its itself keeping last length level like line lines link links list listing
    located location long match matched matches matching mode modification modified more most name named names newer
    no non not number numbers of older on one only open or order other out output over owned owner ownership page
    passed password path paths pattern patterns per permission permissions present print process processes prompt
    reading recursive recursively related replace residing result results run running same script search session set
    shell should single size sizes so sorted space spaces specified standard start started starting starts statistics
    status stored string structure sub such system table text than that the their them then there these they this
    those through time times to total tree trees type types under unique until up usage use used user username users
    using value values variable variables was were what when where which while who whose will with within without
    word words write writing would you your owning deletion creation manager limits quota load log logs info
    information details history prefix suffix separator delimiter count counts via side version versions sharing
    descending ascending alphabetically numerically""".split()
)
"""Words of plain English that follow "file", "user", "directory" ... without being a value."""


@lru_cache(maxsize=4096)
def is_common(word: str) -> bool:
    return word in COMMON or (word.endswith("s") and word[:-1] in COMMON) or word.endswith(("ly", "ing", "ed"))


_DOT_FILES = frozenset(
    """git svn hg bzr cvs ssh gnupg profile login logout netrc env cache config local vim emacs venv tox idea vscode aws
    docker kube npm cargo trash hidden htaccess htpasswd history mozilla themes fonts icons xsession forward plan
    gitignore gitattributes gitmodules gitkeep dockerignore editorconfig ds_store nfs snapshot snapshots""".split()
)


def is_dot_file(name: str) -> bool:
    """Whether a name that begins with a dot is known as a hidden file or folder, and so is not how names end."""
    if not name.startswith(".") or name.startswith(("./", "..")):
        return False
    bare = name[1:].lower()
    return bare in _DOT_FILES or bare.endswith(("rc", "_history", "_profile", "_login", "_logout", "_aliases"))
