"""What the configuration makes of memory: the rules of its tiers, and what keeps them up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llmos.core.catalogue import MINILM
from llmos.core.memory_tiers import Tier, TierRule, TierRules
from llmos.core.ports import Clock, Embedder, Model, PassageVectors
from llmos.engine.consolidate import Consolidator, UpdateLimits
from llmos.engine.machine_facts import machine_facts
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.config_schema import Tiers
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.model_store import ModelStore
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.recall import Recall
from llmos.memory.workspace import Workspace


def tier_rules(tiers: Tiers) -> TierRules:
    return TierRules(
        recall=TierRule(Tier.RECALL, 1, tiers.recall_stability, tiers.recall_base_rate),
        core=TierRule(Tier.CORE, tiers.core_every, tiers.core_stability, tiers.core_base_rate),
        archival=TierRule(Tier.ARCHIVAL, tiers.archival_every, tiers.archival_stability, tiers.archival_base_rate),
    )


def find_embedder(store: ModelStore) -> Embedder | None:
    """What finds by meaning; None as long as its file is not on this machine."""
    path = store.find(MINILM)
    if path is None:
        return None
    from llmos.adapters.embedder import MiniLmEmbedder

    return MiniLmEmbedder(path)


def open_vectors(space: Workspace, url: str | None, embedder: Embedder) -> PassageVectors:
    """The vectors of the archival passages under an embedder. Raises StoreError."""
    from llmos.adapters.chroma import ChromaVectors

    workspace, name, dimension = str(space.root), embedder.name, embedder.dimension
    if url is not None:
        return ChromaVectors.on_server(url, workspace=workspace, embedder=name, dimension=dimension)
    folder = space.derived / "chroma"
    return ChromaVectors.in_folder(folder, workspace=workspace, embedder=name, dimension=dimension)


def make_consolidator(
    tiers: Tiers,
    space: Workspace,
    *,
    memory: MemoryEngine,
    nested: NestedLearning,
    recall: Recall,
    archival: ArchivalSearch,
    model: Callable[[], Model],
    clock: Clock,
    environ: Mapping[str, str],
) -> Consolidator:
    return Consolidator(
        memory=memory,
        nested=nested,
        said_since=recall.said_since,
        said_like=recall.said_like,
        synchronise=archival.synchronise,
        model=model,
        clock=clock,
        limits=UpdateLimits(tiers.update_usd, tiers.update_s),
        lock=space.derived / "consolidate.lock",
        machine=lambda: machine_facts(None if space.is_home else space.root, environ),
        embed=recall.embed_waiting,
    )
