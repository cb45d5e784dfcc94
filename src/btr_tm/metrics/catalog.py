"""Every metric the platform writes: name, unit, reduction and meaning. What is not here cannot be logged."""

from __future__ import annotations

from typing import Literal, NamedTuple

Reduction = Literal["mean", "sum", "min", "max", "last"]


class Metric(NamedTuple):
    """How one number is made and what it says; the reduction is over the samples between two rows."""

    name: str
    unit: str
    reduction: Reduction
    meaning: str


_ALL = (
    # training races: with exploration, current weights
    Metric("race/races", "races", "sum", "training races that ended, wherever they began"),
    Metric("race/finish_rate", "share", "mean", "share of ended training races that crossed the finish line"),
    Metric("race/time_s", "s", "mean", "time of training races finished from the canonical start"),
    Metric("race/best_time_s", "s", "min", "best time of a training race finished from the canonical start"),
    Metric("race/progress_m", "m", "mean", "furthest metre of training races begun at the canonical start"),
    Metric("race/return", "reward", "mean", "undiscounted sum of rewards of training races"),
    # evaluation races: no exploration
    Metric("eval/canonical_time_s", "s", "last", "canonical race time, absent if it did not finish"),
    Metric("eval/best_time_s", "s", "min", "best race time over the canonical and the seeded starts"),
    Metric("eval/finish_rate", "share", "last", "share of the seeded starts that reach the finish"),
    Metric("eval/mean_time_s", "s", "last", "mean race time of the seeded starts that reach the finish"),
    Metric("eval/std_time_s", "s", "last", "spread of race times over the finished seeded starts"),
    Metric("eval/progress_mean", "share", "last", "mean share of the track driven from the seeded starts"),
    Metric("eval/author_ratio", "ratio", "last", "canonical race time divided by the author time"),
    Metric("eval/return_mean", "reward", "last", "mean undiscounted return over all evaluation races"),
    Metric("eval/q_mean", "reward", "last", "mean Q over actions and decisions of the canonical race"),
    Metric("eval/best_canonical_time_s", "s", "last", "best canonical race time of all evaluations so far"),
    # learning
    Metric("learner/loss", "loss", "mean", "quantile Huber loss of the batch"),
    Metric("learner/grad_norm", "norm", "mean", "global gradient norm before clipping"),
    Metric("learner/q_mean", "reward", "mean", "mean online Q of the actions in the batch"),
    Metric("learner/target_mean", "reward", "mean", "mean target quantile"),
    Metric("learner/td_abs", "reward", "mean", "mean absolute temporal-difference error"),
    Metric("learner/bonus_mean", "reward", "mean", "mean Munchausen bonus"),
    Metric("learner/q_max", "reward", "mean", "mean online Q of the best action"),
    Metric("learner/action_gap", "reward", "mean", "mean lead of the best action's Q over the second-best"),
    Metric("learner/bonus_clipped", "share", "mean", "share of Munchausen bonuses cut at their lower bound"),
    Metric("learner/entropy", "nats", "mean", "mean entropy of the softmax policy, Munchausen"),
    Metric("learner/learning_rate", "1", "last", "learning rate of the last update"),
    # speed
    Metric("speed/frames_per_s", "1/s", "last", "decisions driven per second since the last row"),
    Metric("speed/updates_per_s", "1/s", "last", "updates per second since the last row"),
    Metric("time/simulator_share", "share", "last", "wall time in the environment (launch time on CUDA)"),
    Metric("time/acting_share", "share", "last", "wall time choosing actions (launch time on CUDA)"),
    Metric("time/replay_share", "share", "last", "wall time in the replay memory (launch time on CUDA)"),
    Metric("time/learning_share", "share", "last", "wall time in updates (launch time on CUDA)"),
    Metric("time/evaluation_share", "share", "last", "wall time in evaluation races"),
    Metric("time/other_share", "share", "last", "the rest: logging, saving, waiting for the device"),
)

CATALOG: dict[str, Metric] = {metric.name: metric for metric in _ALL}


def metric(name: str) -> Metric:
    """The catalogue entry of `name`; an unknown name is a programming error."""
    assert name in CATALOG, f"metric {name!r} is not in metrics/catalog.py: say there what it means"
    return CATALOG[name]
