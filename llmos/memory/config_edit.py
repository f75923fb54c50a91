"""Changing one setting of a config.yaml, with everything else in the file as it was: comments, order, quotes.

Invariant: a file that would not load is never written, and the old one then stays.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from llmos.core.errors import ConfigError, StoreError
from llmos.memory.codec import MAX_YAML_BYTES, load_with_lines
from llmos.memory.config import check_value, config_template, load_config, parse_config
from llmos.memory.files import MissingFileError, make_private_folder, read_bounded, show_path, write_atomic
from llmos.memory.workspace import Workspace, WorkspaceOrigin


def parse_value(text: str, key: str) -> Any:
    """What a person typed, as the value that it would be in the file. Raises ConfigError."""
    if not text:
        return ""
    try:
        return load_with_lines(text.encode("utf-8", "surrogatepass"), name=f"the value of {key}")[0]
    except StoreError as error:
        raise ConfigError(f"{error}; put quotes around a text") from None


def set_setting(workspace: Workspace, key: str, value: Any, env: Mapping[str, str], *, own: bool) -> Path:
    """Write one setting to the workspace's config.yaml, or to the person's own; the file that was written.

    Raises ConfigError for an unknown setting, a value that it cannot have, and one that a project may not decide;
    StoreError where the file cannot be read or written.
    """
    path = config_path(workspace, own=own)
    project = not own and not workspace.is_home
    above = load_config(Workspace(workspace.home, WorkspaceOrigin.HOME, workspace.home), {}, {}) if project else None
    check_value(key, value, env, above=above)
    try:
        text = read_bounded(path, MAX_YAML_BYTES)
    except MissingFileError:
        text = config_template().encode()
    parse_config(path, text)  # what does not load is mended by hand: a rewrite would make it worse
    changed = _with(text, key, value)
    document = parse_config(path, changed)
    if _get(document, key) != value:
        raise ConfigError(f"{key} cannot be set in {show_path(path)} without rewriting it; change it there by hand")
    make_private_folder(path.parent)
    write_atomic(path, changed)
    return path


def config_path(workspace: Workspace, *, own: bool) -> Path:
    """The config.yaml of the workspace, or the person's own."""
    return workspace.home / workspace.config_file.name if own else workspace.config_file


def _with(text: bytes, key: str, value: Any) -> bytes:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4_096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text.decode("utf-8-sig"))
    section, _, name = key.rpartition(".")
    target: MutableMapping[str, Any] = document
    if section:
        if document.get(section) is None:
            document[section] = {}
        target = document[section]
    target[name] = value
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue().encode()


def _get(document: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.rpartition(".")
    return document[section][name] if section else document[name]
