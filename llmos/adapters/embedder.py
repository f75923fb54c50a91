"""The embedder: all-MiniLM-L6-v2 (int8) through onnxruntime, on this machine, unpadded.

Only this module imports onnxruntime, tokenizers and, with memory/vectors, numpy; each when it is first needed. The
model file comes verified from the model store. Its word list ships with llmos (Apache-2.0, as published by
sentence-transformers; SHA-256 below), because the carrier of the weights has none.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from llmos.core.catalogue import MINILM
from llmos.core.errors import NoModelError, StoreError

DIMENSION = 384
MAX_TOKENS = 256
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


class MiniLmEmbedder:
    """The Embedder port on the model file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        return f"{MINILM.name}@{MINILM.sha256[:12]}"

    @property
    def dimension(self) -> int:
        return DIMENSION

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Mean-pooled, normalised vectors; about 5 ms of one processor each. Raises NoModelError, StoreError."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> list[float]:
        import numpy

        # Half a character cannot be encoded; the tokenizer gets a replacement for it.
        encoded = self._tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8"))
        ids, mask = encoded.ids[:MAX_TOKENS], encoded.attention_mask[:MAX_TOKENS]
        feed = {
            "input_ids": numpy.array([ids], dtype=numpy.int64),
            "attention_mask": numpy.array([mask], dtype=numpy.int64),
            "token_type_ids": numpy.zeros((1, len(ids)), dtype=numpy.int64),
        }
        wanted = {entry.name for entry in self._session.get_inputs()}
        hidden = self._session.run(None, {key: value for key, value in feed.items() if key in wanted})[0]
        pooled = hidden[0].mean(axis=0) if hidden.ndim == 3 else hidden[0]
        vector: list[float] = (pooled / max(float(numpy.linalg.norm(pooled)), 1e-12)).tolist()
        return vector

    @cached_property
    def _session(self) -> Any:
        # onnxruntime reports home unless told not to before it is imported.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        try:
            import onnxruntime
        except ImportError as error:
            raise NoModelError("the embedder needs onnxruntime: `pip install onnxruntime`") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has exception types of its own
            raise StoreError(f"the embedder {self._path} cannot be loaded: {error}") from error

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            from tokenizers import BertWordPieceTokenizer
        except ImportError as error:
            raise NoModelError("the embedder needs tokenizers: `pip install tokenizers`") from error
        path = Path(__file__).with_name("minilm_vocab.txt")
        if hashlib.sha256(path.read_bytes()).hexdigest() != VOCABULARY_SHA256:
            raise StoreError(f"{path} is not the word list of {MINILM.name}; reinstall llmos")
        tokenizer = BertWordPieceTokenizer(str(path), lowercase=True)
        tokenizer.enable_truncation(MAX_TOKENS)
        return tokenizer
