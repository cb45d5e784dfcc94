"""Writes docs/metrics.md from the catalogue: `python -m btr_tm.metrics.page`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from btr_tm.metrics.catalog import CATALOG
from btr_tm.metrics.metric import QUANTILES, Metric

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"

INTRODUCTION = """\
# Metrics

Made from the catalogue in `src/btr_tm/metrics` by `make docs`; a test compares the two. A metric that is not
in the catalogue cannot be logged.

A row is written every `profile.log_every` frames: one line of `record.jsonl`, and one point per metric in
W&B and TensorBoard. *From samples* says how the samples since the row before are reduced to one value; `now`
is the value at the time of the row. A metric without a value is absent from the row. `x.{tensor}` stands for
a metric per tensor, layer or action.

The last column is the name under which the published TrackMania runs (Linesight and its descendants) log
the same figure. `logger=tensorboard` writes every metric under both names, `{track}` replaced by the
track's name as the game spells it (`A01` for `a01`); the step is the number of frames. Published runs log
some names once per race; here a row covers many races, so such a name has their mean, or the latest
evaluation.
"""

HEADINGS = {
    "": "Axes, in every row",
    "race": "Training races: with exploration, and the weights of that time",
    "eval": "Evaluation: no exploration, once from the canonical start and from seeded starts",
    "canonical": "The canonical race of the latest evaluation, in the figures of the published runs",
    "learner": "Updates",
    "test": "Batches that are set aside for tests",
    "settings": "Settings and schedules at the row's frame",
    "replay": "Replay; priorities only with a `replay=prioritized` of any kind",
    "policy": "The greedy policy on the probe",
    "plasticity": "Plasticity: dormant units and ranks, on the probe",
    "weights": "Weights, at a probe",
    "spectral": "Spectral norm, at a probe: exact singular values",
    "noisy": "Parameter noise, at a probe",
    "optimizer": "The probed update",
    "gradients": "The gradient of the probed update",
    "exploration": "What exploration chose",
    "collector": "Collectors, with `collector=processes` or `ray`",
    "speed": "Speed",
    "time": "Where wall time goes; the shares add up to 1",
}

PROBE = """\
## The probe

`profile.probe_states` stored states are drawn once, when learning begins, and kept for the whole run,
checkpoints included. Every `profile.probe_every` frames (0: never) one update is measured on them: the
network before it and after it, copied, without noise, at a common grid of 32 fractions. With common
fractions and no noise only the update can change an action, so that `policy/churn` is 0 if nothing is
updated between the two measurements. BTR's code draws new fractions for each measurement, which adds
changes of its own: `policy/churn_redrawn`, and its value without an update. The probe has its own random
generator; a run learns the same with it and without it, bit for bit.

Dormant units are counted as by Sokar et al. (2023, arXiv:2302.12902): the mean absolute activation of a
unit (of a channel in feature maps) over that of its layer. Layers are all activations outside and inside
residual blocks; `{part}` is the part of the network: `encoder`, `float_head`, `fusion` (the embedding of
fractions) or `head`. A leaky ReLU is almost never 0, so its units are dormant at 0 only if they are dead.
Ranks are those of the input of the last layers, mean over fractions: srank as by Kumar et al.
(2021, arXiv:2010.14498), effective rank as by Roy and Vetterli (2007). BTR's code counts dormant units from
signed means before the activation and skips noisy layers; its figures are not comparable.
"""

NOTES = """\
## Where a published name means a little less, or more

- `Training/loss` is the mean over the batch or its sum, as `convention.loss_reduction` says; the published
  runs log sums.
- `Race/*_race_time_*` counts an unfinished race as 300 s, whatever `profile.race_ms` is.
- `Race/eval_race_time_robust_*`: a race counts if it is below 1.02 times the rolling mean. In the published
  runs that mean begins at 300 s and needs about 60 finishes to come down; until then every finish counts
  (`convention.rolling_start=unfinished`). By default it begins with the first finish.
- `eval_ratio_*`: author and gold times are those of the track file; gold, silver and bronze are made of the
  author time as the game's editor proposes them.
- `Gradients/norm_*` equals `Gradients/norm_before_clip_*`, as in the published runs, where both are taken
  before clipping.
- `Gradients/by_layer/*`: of the one update that was probed, not a distribution over updates.
- `IQN/quantile_std_action_*`: mean over the probe states, not the first state of one race. With blocks of
  actions the actions of all slots are numbered one after the other.
- `Network/*/L2`: a root mean square, as in the published runs.
- `cumul_number_single_memories_used` counts transitions; the published counter runs four times as fast
  while a large replay fills. `cumul_number_single_memories_should_have_been_used` counts every frame from
  the first one on. `cumul_number_target_network_updates` counts in updates.
- `Performance/learner_percentage_waiting_for_workers`: with one process the learner waits while cars are
  driven.
- Layers and tensors have the names of our modules.

## Published names that are not written

| name | why |
|---|---|
| `Performance/instrumentation__*` | they time the steps of an exchange with the game |
| `Performance/tmi_protection_cutoff` | `collector/lost_races` counts the races that a game lost |
| `Race/*_blind_*`, `RL/*_blind_*` | a run drives the track it learns on: every race is `trained` |
| `Gradients/by_layer/*/` the other statistics | one probed update has no distribution |
| `cumul_number_single_memories_used_next_target_network_update` | targets follow after a number of updates |
| `RL/epsilon`, `RL/*epsilon_boltzmann` where noise explores alone | there they have no effect |
| text `times_summary` | the console and `summary.json` show it |
"""


def page() -> str:
    """The whole page."""
    sections = [_section(name, title) for name, title in HEADINGS.items()]
    return "\n".join([INTRODUCTION, *sections, PROBE, NOTES])


def _section(section: str, title: str) -> str:
    metrics = [each for each in CATALOG.values() if section_of(each) == section]
    return "\n".join([f"## {title}", "", *_table(metrics), ""])


def section_of(metric: Metric) -> str:
    """What stands before the slash."""
    return metric.name.rpartition("/")[0]


def _table(metrics: Iterable[Metric]) -> list[str]:
    rows = ["| metric | unit | from samples | meaning | published name |", "|---|---|---|---|---|"]
    for each in metrics:
        tags = "<br>".join(f"`{tag}`" for tag in each.tag.split())
        unit = "" if each.unit == "1" else each.unit
        rows.append(f"| `{each.name}` | {unit} | {_reduction(each)} | {each.meaning} | {tags} |")
    return rows


def _reduction(metric: Metric) -> str:
    if metric.reduction == "last":
        return "now"
    if metric.reduction in QUANTILES:
        return f"{100 * QUANTILES[metric.reduction]:.0f} % quantile"
    return metric.reduction


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    print(PAGE)
