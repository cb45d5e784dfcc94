"""The figures worth a panel, by what they tell: what a dashboard shows of the catalogue."""

from __future__ import annotations

from typing import NamedTuple

from btr_tm.metrics.catalog import CATALOG


class Section(NamedTuple):
    """Panels that belong together; a name that ends in `.{something}` is one panel with a line per member."""

    title: str
    names: tuple[str, ...]


SECTIONS = (
    Section(
        "Races",
        (
            "eval/canonical_time_s",
            "eval/best_canonical_time_s",
            "eval/finish_rate",
            "eval/progress_mean",
            "eval/mean_time_s",
            "race/alltime_best_s",
            "race/finish_rate",
            "race/return",
        ),
    ),
    Section(
        "Learning",
        (
            "learner/loss",
            "learner/q_mean",
            "learner/td_abs",
            "learner/grad_norm",
            "learner/action_gap",
            "policy/churn",
            "settings/gamma",
            "settings/epsilon",
        ),
    ),
    Section("Munchausen", ("learner/bonus_mean", "learner/bonus_clipped", "learner/entropy")),
    Section("NoisyLinear", ("noisy/sigma_abs_mean.{layer}",)),
    Section("Spectral norm", ("spectral/sigma_raw.{kernel}", "spectral/sigma_normalised_max")),
    Section(
        "IMPALA, max-pool and LayerNorm",
        ("plasticity/dormant_0_025.{part}", "plasticity/effective_rank", "weights/l2_mean"),
    ),
    Section("Replay", ("replay/size", "replay/priority_p99_p50")),
    Section("Speed", ("speed/frames_per_s", "speed/updates_per_s", "time/learning_share", "cpu_s")),
)
# A family would bring a panel for each of its members to a page that makes one of every name.
SHOWN = frozenset(name for section in SECTIONS for name in section.names if not CATALOG[name].family)
HIDDEN_SECTIONS = tuple(sorted({name.partition("/")[0] for name in CATALOG if "/" in name}))
