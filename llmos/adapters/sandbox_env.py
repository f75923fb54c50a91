"""The environment that a confined command starts with: what ordinary programs need, not all that happens to be there.

A list of what is let through, because a secret can have any name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from llmos.core.depth import DEPTH

_NAMES = frozenset(
    """
    PATH HOME USER LOGNAME SHELL PWD LANG LANGUAGE TZ TERM COLORTERM NO_COLOR FORCE_COLOR CLICOLOR COLUMNS LINES
    VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV PYENV_ROOT PYENV_VERSION UV_PYTHON
    PYTHONPATH PYTHONUTF8 PYTHONIOENCODING PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED PYTHONHASHSEED PYTHONWARNINGS
    NVM_DIR NODE_ENV NODE_PATH NODE_VERSION VOLTA_HOME PNPM_HOME BUN_INSTALL DENO_DIR
    JAVA_HOME M2_HOME GRADLE_HOME MAVEN_OPTS GOPATH GOROOT GOBIN GOFLAGS GOOS GOARCH CGO_ENABLED
    CARGO_HOME RUSTUP_HOME RUSTUP_TOOLCHAIN RUSTFLAGS CARGO_TARGET_DIR GEM_HOME GEM_PATH BUNDLE_PATH RBENV_ROOT RUBYLIB
    PERL5LIB PERL_MM_OPT LUA_PATH R_LIBS R_HOME JULIA_DEPOT_PATH DOTNET_ROOT ANDROID_HOME ANDROID_SDK_ROOT
    CC CXX CPP LD AR CFLAGS CXXFLAGS CPPFLAGS LDFLAGS CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH LIBRARY_PATH
    LD_LIBRARY_PATH DYLD_LIBRARY_PATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH MAKEFLAGS MANPATH INFOPATH
    XDG_CONFIG_HOME XDG_DATA_HOME XDG_DATA_DIRS XDG_CONFIG_DIRS NIX_PATH NIX_PROFILES SSL_CERT_FILE SSL_CERT_DIR
    REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS DEBIAN_FRONTEND CI SOURCE_DATE_EPOCH
    """.split()
)
_PROXIES = frozenset(("http_proxy", "https_proxy", "no_proxy", "all_proxy"))
_NEVER = re.compile(r"\A(ANTHROPIC_.*|LLMOS_.*|LD_PRELOAD|LD_AUDIT|BASH_ENV|ENV|BASH_FUNC_.*|PROMPT_COMMAND)\Z", re.I)
_PASSWORD_IN_ADDRESS = re.compile(r"://[^/\s]*@")
_SET = {"PAGER": "cat", "GIT_PAGER": "cat", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def clean_environment(
    parent: Mapping[str, str], *, temporary: Path, also: frozenset[str], network: bool
) -> dict[str, str]:
    """What of `parent` a command may know. `also` are names that a person lets through; a proxy only with network."""
    kept = {
        name: value
        for name, value in parent.items()
        if not _NEVER.match(name)
        and (
            name in _NAMES
            or name.startswith("LC_")
            or name in also
            or (network and name.lower() in _PROXIES and not _PASSWORD_IN_ADDRESS.search(value))
        )
    }
    kept.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    cache = temporary / ".cache"
    folders = {"TMPDIR": temporary, "XDG_CACHE_HOME": cache, "npm_config_cache": cache / "npm"}
    return kept | _SET | _depth(parent) | {name: str(path) for name, path in folders.items()}


def _depth(parent: Mapping[str, str]) -> dict[str, str]:
    """The one variable of ours that a command is told: an llmos that it starts must know that it is inside another."""
    return {DEPTH: parent[DEPTH]} if DEPTH in parent else {}
