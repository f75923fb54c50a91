"""The model files on disk: where they are, which are whole, how one enters and leaves. No network.

Invariant: under its own name a model file is whole and has the catalogue's SHA-256. Bytes on the way are in a
`.part` file, which becomes the model by one rename after its hash was checked.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from llmos.core.catalogue import CATALOGUE, CatalogueModel
from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.memory.locks import take_marker

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes of the whole file."""

CHUNK = 1 << 20
RESERVE_BYTES = 64 << 20
"""Free space that a pull leaves on the disk."""


def models_folder(environ: Mapping[str, str], home: Path) -> Path:
    """LLMOS_MODELS, else $XDG_DATA_HOME/llmos/models, else ~/.local/share/llmos/models."""
    if chosen := environ.get("LLMOS_MODELS"):
        return Path(chosen.replace("~", str(home), 1) if chosen.startswith("~/") else chosen).absolute()
    data = environ.get("XDG_DATA_HOME", "")
    # The XDG rules: a relative path is invalid and is to be ignored.
    base = Path(data) if data.startswith("/") else home / ".local" / "share"
    return base / "llmos" / "models"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model file that is there and whole."""

    model: CatalogueModel
    path: Path


class ModelStore:
    """The folder of model files. Safe for several processes: a lock for each model, and renames."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, model: CatalogueModel) -> Path:
        return self.folder / model.file_name

    def part_path(self, model: CatalogueModel) -> Path:
        """The file that a pull fills; kept when a pull is cut off."""
        return self.folder / f"{model.file_name}.part"

    def work_folder(self, model: CatalogueModel) -> Path:
        """A folder for what a pull keeps between tries; removed when the model is whole."""
        return self.folder / f"{model.name}.download"

    def licence_path(self, model: CatalogueModel) -> Path:
        return self.folder / f"{model.name}.LICENSE.txt"

    def find(self, model: CatalogueModel) -> Path | None:
        """The verified file, or None. The hash is computed once and remembered for an unchanged file."""
        path = self.path(model)
        try:
            if path.stat().st_size != model.size_bytes:
                return None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise store_error("read", path, error) from error
        if self._stamp_holds(model) or self.verify(model):
            return path
        return None

    def models(self) -> tuple[StoredModel, ...]:
        """The catalogue's models that are here and whole, in the catalogue's order."""
        found = ((model, self.find(model)) for model in CATALOGUE)
        return tuple(StoredModel(model, path) for model, path in found if path is not None)

    def verify(self, model: CatalogueModel, progress: Progress | None = None) -> bool:
        """Read the whole file and compare its SHA-256. Raises StoreError when it cannot be read."""
        path = self.path(model)
        try:
            before = path.stat()
            same = file_sha256(path, progress) == model.sha256
            if same:
                self._write_stamp(model, before)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise store_error("read", path, error) from error
        return same

    def remove(self, model: CatalogueModel) -> int:
        """Delete the model and what a pull left of it; the bytes freed. Raises StoreError."""
        freed = 0
        with self.lock(model):
            own = [self.path(model), self.part_path(model), self._stamp_path(model), self.licence_path(model)]
            try:
                for path in own:
                    if path.exists():
                        freed += path.stat().st_size
                        path.unlink()
                freed += self.clear_work(model)
            except OSError as error:
                raise store_error("remove", self.folder, error) from error
        return freed

    def clear_work(self, model: CatalogueModel) -> int:
        """Delete the work folder of a pull; the bytes freed."""
        work = self.work_folder(model)
        if not work.is_dir():
            return 0
        freed = sum(path.stat().st_size for path in work.iterdir() if path.is_file())
        shutil.rmtree(work)
        return freed

    def prepare(self, model: CatalogueModel, extra_bytes: int = 0) -> None:
        """Make the folder and check that the file, and `extra_bytes` beside it, will fit. Raises StoreError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
            part = self.part_path(model)
            there = part.stat().st_size if part.exists() else 0
        except OSError as error:
            raise store_error("write to", self.folder, error) from error
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise store_error("write to", self.folder, PermissionError(errno.EACCES, "permission denied"))
        needed = model.size_bytes - there + extra_bytes + RESERVE_BYTES
        if free < needed:
            raise StoreError(
                f"{model.name} needs {_mib(needed)} MiB on the disk of {self.folder}, but {_mib(free)} MiB are free; "
                "free some space, or set LLMOS_MODELS to a folder on another disk."
            )

    @contextmanager
    def lock(self, model: CatalogueModel) -> Iterator[None]:
        """Be the only one who writes this model. Raises StoreError at once when another process is at it."""
        path = self.folder / f".{model.name}.lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = take_marker(path, new=True)
        except OSError as error:
            raise store_error("write to", self.folder, error) from error
        if handle is None:
            raise StoreError(f"Another llmos is working on {model.name} in {self.folder}; wait for it, then try again.")
        try:
            yield
        finally:
            os.close(handle)

    def commit(self, model: CatalogueModel) -> Path | None:
        """Read the `.part` file back and make it the model when it has the catalogue's hash.

        None, and the `.part` file removed, when it has not. Raises StoreError.
        """
        part, path = self.part_path(model), self.path(model)
        try:
            if part.stat().st_size != model.size_bytes or file_sha256(part) != model.sha256:
                part.unlink(missing_ok=True)
                return None
            with part.open("rb") as handle:
                os.fsync(handle.fileno())
            self._write_licence(model)
            part.replace(path)
            _sync_folder(self.folder)
            self._write_stamp(model, path.stat())
            self.clear_work(model)
        except OSError as error:
            raise store_error("write to", self.folder, error) from error
        return path

    def _stamp_path(self, model: CatalogueModel) -> Path:
        return self.folder / f"{model.file_name}.verified"

    def _stamp_holds(self, model: CatalogueModel) -> bool:
        try:
            stamp = json.loads(self._stamp_path(model).read_text("utf-8"))
            return bool(stamp == _stamp(model, self.path(model).stat()))
        except (OSError, ValueError):
            return False

    def _write_stamp(self, model: CatalogueModel, stat: os.stat_result) -> None:
        target = self._stamp_path(model)
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        try:
            fresh.write_text(json.dumps(_stamp(model, stat)) + "\n", "utf-8")
            fresh.replace(target)
        except OSError:
            # Only a saving: in a folder that is shared read-only the hash is computed each time instead.
            return

    def _write_licence(self, model: CatalogueModel) -> None:
        text = Path(__file__).with_name("licences").joinpath(f"{model.licence}.txt").read_text("utf-8")
        about = f"{model.file_name} by {model.author}, {model.source_page}\nLicence: {model.licence}\n\n"
        self.licence_path(model).write_text(about + text, "utf-8")


def file_sha256(path: Path, progress: Progress | None = None) -> str:
    """The SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    done, total = 0, path.stat().st_size
    with path.open("rb") as handle:
        while piece := handle.read(CHUNK):
            digest.update(piece)
            done += len(piece)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()


def _stamp(model: CatalogueModel, stat: os.stat_result) -> dict[str, object]:
    return {"format": 1, "sha256": model.sha256, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.0f}"


def store_error(doing: str, path: Path, error: OSError) -> StoreError:
    """The one sentence for a file operation that failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"The disk of {path} is full; free some space, or set LLMOS_MODELS to a folder elsewhere.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"llmos may not {doing} {path} ({os.strerror(error.errno).lower()}); "
            "change its permissions, or set LLMOS_MODELS to a folder of your own."
        )
    return StoreError(f"llmos could not {doing} {path}: {error.strerror or error}.")
