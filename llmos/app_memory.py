"""What the configuration makes of memory: the rules of its tiers, and what keeps them up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llmos.core.memory_tiers import Tier, TierRule, TierRules
from llmos.core.ports import Clock, Model
from llmos.engine.consolidate import Consolidator, UpdateLimits
from llmos.engine.machine_facts import machine_facts
from llmos.memory.config_schema import Tiers
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.recall import Recall
from llmos.memory.workspace import Workspace


def tier_rules(tiers: Tiers) -> TierRules:
    return TierRules(
        recall=TierRule(Tier.RECALL, 1, tiers.recall_stability, tiers.recall_base_rate),
        core=TierRule(Tier.CORE, tiers.core_every, tiers.core_stability, tiers.core_base_rate),
        archival=TierRule(Tier.ARCHIVAL, tiers.archival_every, tiers.archival_stability, tiers.archival_base_rate),
    )


def make_consolidator(
    tiers: Tiers,
    space: Workspace,
    *,
    memory: MemoryEngine,
    nested: NestedLearning,
    recall: Recall,
    model: Callable[[], Model],
    clock: Clock,
    environ: Mapping[str, str],
) -> Consolidator:
    return Consolidator(
        memory=memory,
        nested=nested,
        said_since=recall.said_since,
        model=model,
        clock=clock,
        limits=UpdateLimits(tiers.update_usd, tiers.update_s),
        lock=space.derived / "consolidate.lock",
        machine=lambda: machine_facts(None if space.is_home else space.root, environ),
    )
