"""Archival vectors in ChromaDB: in the workspace's derived folder, or on a server that `archival.url` names.

Chroma is not safe for two processes over one folder and says nothing when it goes wrong, so one process holds a lock on
it; others search the files. The vectors are always ours: its own embedder would fetch a model from the network.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmos.core.errors import StoreError
from llmos.memory.files import make_private_folder, os_cause, show_path
from llmos.memory.locks import StoreLock

_BATCH = 500


class ChromaVectors:
    """The PassageVectors port. One collection for each workspace and embedder; another embedder starts an empty one."""

    def __init__(self, client: Any, collection: Any, lock: StoreLock | None) -> None:
        self._client = client
        self._collection = collection
        self._lock = lock

    @classmethod
    def in_folder(cls, folder: Path, *, workspace: str, embedder: str, dimension: int) -> ChromaVectors:
        """Open, or make, the store in a folder. One that is broken is made anew, because it is derived.

        Raises StoreError where another process holds it or it cannot be used.
        """
        make_private_folder(folder.parent)
        lock = StoreLock(folder.with_name(folder.name + ".lock"), timeout_s=0.0)
        lock.__enter__()
        try:
            _make_way(folder)
            try:
                return cls._opened(_local(folder), lock, workspace, embedder, dimension, alone=True)
            except StoreError:
                _forget_clients()
                shutil.rmtree(folder, ignore_errors=True)
                return cls._opened(_local(folder), lock, workspace, embedder, dimension, alone=True)
        except BaseException:
            lock.__exit__(None, None, None)
            raise

    @classmethod
    def on_server(cls, url: str, *, workspace: str, embedder: str, dimension: int) -> ChromaVectors:
        """Raises StoreError where the server does not answer."""
        return cls._opened(_remote(url), None, workspace, embedder, dimension, alone=False)

    @classmethod
    def _opened(
        cls, client: Any, lock: StoreLock | None, workspace: str, embedder: str, dimension: int, *, alone: bool
    ) -> ChromaVectors:
        name = f"llmos-{_short(workspace)}-{_short(f'{embedder} {dimension}')}"
        meta = {"embedder": embedder, "dimension": dimension, "workspace": workspace}
        try:
            collection = client.get_or_create_collection(
                name, metadata=meta, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
            )
            found = collection.metadata or {}
            if (found.get("embedder"), found.get("dimension")) != (embedder, dimension):
                raise StoreError(f"the collection {name} is of another embedder ({found.get('embedder')})")
            collection.count()
            if alone:
                cls._drop_others(client, name)
        except StoreError:
            raise
        except Exception as error:  # chromadb has many, and those of its Rust core
            raise StoreError(f"the archival vectors cannot be used: {_first_line(error)}") from error
        return cls(client, collection, lock)

    @staticmethod
    def _drop_others(client: Any, name: str) -> None:
        """Vectors of an embedder that is used no more: nothing can be compared with them."""
        for other in client.list_collections():
            if other.name.startswith("llmos-") and other.name != name:
                client.delete_collection(other.name)

    def known(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        with _as_store_error():
            count = self._collection.count()
            for start in range(0, count, _BATCH):
                part = self._collection.get(limit=_BATCH, offset=start, include=["metadatas"])
                for identifier, meta in zip(part["ids"], part["metadatas"], strict=True):
                    found[str(identifier)] = str((meta or {}).get("digest", ""))
        return found

    def put(self, digests: Mapping[str, str], vectors: Mapping[str, Sequence[float]]) -> None:
        ids = sorted(vectors)
        with _as_store_error():
            for start in range(0, len(ids), _BATCH):
                part = ids[start : start + _BATCH]
                self._collection.upsert(
                    ids=part,
                    embeddings=[list(vectors[one]) for one in part],
                    metadatas=[{"digest": digests[one]} for one in part],
                )

    def remove(self, ids: Sequence[str]) -> None:
        with _as_store_error():
            for start in range(0, len(ids), _BATCH):
                self._collection.delete(ids=list(ids[start : start + _BATCH]))

    def nearest(self, vector: Sequence[float], limit: int) -> Mapping[str, float]:
        with _as_store_error():
            count = min(limit, self._collection.count())
            if not count:
                return {}
            found = self._collection.query(query_embeddings=[list(vector)], n_results=count, include=["distances"])
            return {
                str(identifier): 1.0 - float(distance)
                for identifier, distance in zip(found["ids"][0], found["distances"][0], strict=True)
            }

    def close(self) -> None:
        with suppress(Exception):
            self._client.close()
        if self._lock is not None:
            self._lock.__exit__(None, None, None)
            self._lock = None


class _as_store_error:
    """Whatever chromadb raises, as a sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception):
            raise StoreError(f"the archival vectors cannot be used: {_first_line(error)}") from error


def _local(folder: Path) -> Any:
    chromadb = _chromadb()
    try:
        make_private_folder(folder)
        return chromadb.PersistentClient(path=str(folder), settings=_settings(chromadb))
    except Exception as error:
        raise StoreError(f"{show_path(folder)} cannot be opened: {_first_line(error)}") from error


def _make_way(folder: Path) -> None:
    """Take away what has the name of the folder and is none: a link, which a repository can bring, is not followed."""
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            folder.unlink()
    except OSError as error:
        raise StoreError(f"{show_path(folder)} cannot be replaced: {os_cause(error)}") from error


def _forget_clients() -> None:
    """Chroma keeps what it opened by its path, also what it could not open; a second try would get that again."""
    from chromadb.api.shared_system_client import SharedSystemClient

    SharedSystemClient.clear_system_cache()


def _remote(url: str) -> Any:
    chromadb = _chromadb()
    parts = urlsplit(url)
    try:
        return chromadb.HttpClient(
            host=parts.hostname or "localhost",
            port=parts.port or (443 if parts.scheme == "https" else 8000),
            ssl=parts.scheme == "https",
            settings=_settings(chromadb),
        )
    except Exception as error:
        raise StoreError(f"the Chroma server {url} does not answer: {_first_line(error)}") from error


def _settings(chromadb: Any) -> Any:
    return chromadb.Settings(anonymized_telemetry=False)


def _chromadb() -> Any:
    try:
        import chromadb
    except ImportError as error:
        raise StoreError("archival vectors need chromadb: `pip install chromadb`") from error
    return chromadb


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
