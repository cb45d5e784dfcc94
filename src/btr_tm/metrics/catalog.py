"""Every metric the platform writes: name, unit, reduction and meaning. What is not here cannot be logged.

The metrics of the network itself are listed in catalog_agent.py.
"""

from __future__ import annotations

import re

from btr_tm.metrics.catalog_agent import AGENT
from btr_tm.metrics.metric import Metric

_ALL = (
    # every row
    Metric(
        "frames",
        "1",
        "last",
        "decisions driven, summed over cars: the axis of every curve",
        "cumul_number_frames_played cumul_number_memories_generated",
    ),
    Metric("updates", "1", "last", "updates of the network", "cumul_number_batches_done"),
    Metric("wall_s", "s", "last", "wall time of all sessions (tag: hours)", "cumul_training_hours", 1 / 3600),
    Metric("cpu_s", "s", "last", "CPU time of all sessions"),
    # training races: with exploration, current weights
    Metric("race/races", "1", "sum", "training races that ended, wherever they began"),
    Metric("race/finish_rate", "share", "mean", "share of ended training races that crossed the finish line"),
    Metric(
        "race/time_s",
        "s",
        "mean",
        "time of training races finished from the canonical start",
        "Race/explo_race_time_finished_trained_{track}",
    ),
    Metric("race/best_time_s", "s", "min", "best time of a training race finished from the canonical start"),
    Metric("race/progress_m", "m", "mean", "furthest metre of training races begun at the canonical start"),
    Metric("race/return", "reward", "mean", "undiscounted sum of rewards of training races"),
    Metric(
        "race/start_finish_rate",
        "share",
        "mean",
        "share of ended training races from the canonical start that crossed the finish line",
        "Race/explo_race_finished_trained_{track}",
    ),
    Metric(
        "race/start_time_s",
        "s",
        "mean",
        "as time_s, an unfinished race counted as 300 s",
        "Race/explo_race_time_trained_{track}",
    ),
    Metric(
        "race/alltime_best_s",
        "s",
        "last",
        "best race time so far, training and evaluation (tag: ms)",
        "alltime_min_ms_{track}",
        1000.0,
    ),
    # evaluation races: no exploration; in a game without seeded starts the canonical race stands for them
    Metric(
        "eval/canonical_time_s",
        "s",
        "last",
        "canonical race time, absent if it did not finish",
        "Race/eval_race_time_finished_trained_{track}",
    ),
    Metric("eval/best_time_s", "s", "min", "best race time over the canonical and the seeded starts"),
    Metric("eval/finish_rate", "share", "last", "share of the seeded starts that reach the finish"),
    Metric("eval/mean_time_s", "s", "last", "mean race time of the seeded starts that reach the finish"),
    Metric("eval/std_time_s", "s", "last", "spread of race times over the finished seeded starts"),
    Metric("eval/progress_mean", "share", "last", "mean share of the track driven from the seeded starts"),
    Metric("eval/author_ratio", "ratio", "last", "canonical race time divided by the author time"),
    Metric("eval/return_mean", "reward", "last", "mean undiscounted return over all evaluation races"),
    Metric(
        "eval/q_mean",
        "reward",
        "last",
        "mean Q over actions and decisions of the canonical race",
        "RL/avg_Q_trained_{track}",
    ),
    Metric("eval/best_canonical_time_s", "s", "last", "best canonical race time of all evaluations so far"),
    # the canonical race of an evaluation in detail
    Metric(
        "canonical/finished",
        "share",
        "last",
        "1 if it crossed the finish line, else 0",
        "Race/eval_race_finished_trained_{track}",
    ),
    Metric(
        "canonical/time_s",
        "s",
        "last",
        "race time, 300 s if it did not finish",
        "Race/eval_race_time_trained_{track}",
    ),
    Metric(
        "canonical/rolling_time_s",
        "s",
        "last",
        "0.9 times the last one plus 0.1 times the race time, over finished races",
    ),
    Metric(
        "canonical/robust_time_s",
        "s",
        "last",
        "race time, if it is below 1.02 times rolling_time_s",
        "Race/eval_race_time_robust_trained_{track}",
    ),
    Metric(
        "canonical/author_percent",
        "%",
        "last",
        "robust_time_s in per cent of the author time",
        "eval_ratio_trained_author_{track} eval_agg_ratio_trained_author",
    ),
    Metric(
        "canonical/gold_percent",
        "%",
        "last",
        "robust_time_s in per cent of the gold time",
        "eval_ratio_trained_gold_{track} eval_agg_ratio_trained_gold",
    ),
    Metric(
        "canonical/medal",
        "1",
        "last",
        "best medal of all evaluations so far: 4 author, 3 gold, 2 silver, 1 bronze, 0 none",
    ),
    Metric(
        "canonical/zone",
        "1",
        "last",
        "furthest line point, counted as in the published runs: the start is point 20, then 2 a metre",
        "RL/single_zone_reached_trained_{track}",
    ),
    Metric(
        "canonical/split_s.{split}",
        "s",
        "last",
        "time from one checkpoint to the next (start and finish count), interpolated between decisions",
        "Race/split_{track}_{split}",
    ),
    Metric(
        "canonical/q_gap",
        "reward",
        "last",
        "lead of the best action's Q over each action's, mean over actions and decisions",
        "RL/mean_action_gap_{track}",
    ),
    Metric(
        "canonical/q_start",
        "reward",
        "last",
        "Q of action 0 at the first decision",
        "RL/q_value_0_starting_frame_{track}",
    ),
    Metric("canonical/q_first", "reward", "last", "Q of the best action at the first decision"),
    Metric(
        "canonical/discounted_return",
        "reward",
        "last",
        "what q_first predicts as it was driven: discounted, shaped, no further than values look ahead",
    ),
    Metric(
        "canonical/q_error",
        "reward",
        "last",
        "best Q minus the discounted return driven from there, mean over decisions; below 0 where values lag",
    ),
    Metric(
        "canonical/action_swaps", "share", "last", "share of decisions that differ from the one before them"
    ),
    # learning
    Metric(
        "learner/loss",
        "loss",
        "mean",
        "loss of the batch: quantile Huber, cross-entropy (value=hl_gauss), PPO's, or of pictures",
        "Training/loss",
    ),
    Metric("test/loss", "loss", "mean", "loss of batches that are never learnt from", "Training/loss_test"),
    Metric("learner/policy_loss", "loss", "mean", "clipped surrogate, PPO"),
    Metric("learner/value_loss", "loss", "mean", "mean squared error of the critic, PPO"),
    Metric("learner/kl", "nats", "mean", "how far the policy moved from the one that drove, PPO"),
    Metric("learner/ratio_clipped", "share", "mean", "decisions whose ratio is outside the clip range, PPO"),
    Metric("learner/explained_variance", "share", "mean", "of the returns, by the critic, PPO"),
    Metric("learner/epochs", "1", "mean", "passes over a rollout, fewer where target_kl ended them, PPO"),
    Metric("learner/matched", "share", "mean", "pictures that find their partner (net/objective=contrast)"),
    Metric("learner/grad_norm", "norm", "mean", "global gradient norm before clipping"),
    Metric("learner/grad_clipped", "share", "mean", "share of updates whose gradient norm was clipped"),
    Metric("learner/q_mean", "reward", "mean", "mean online Q of the actions in the batch"),
    Metric("learner/target_mean", "reward", "mean", "mean target: of quantiles, or of the value"),
    Metric(
        "learner/target_outside_bins",
        "share",
        "mean",
        "share of targets beyond the bins of value=hl_gauss; above a few per cent, widen value.bins",
    ),
    Metric("learner/td_abs", "reward", "mean", "mean absolute temporal-difference error"),
    Metric("learner/bonus_mean", "reward", "mean", "mean Munchausen bonus"),
    Metric("learner/q_max", "reward", "mean", "mean online Q of the best action"),
    Metric("learner/action_gap", "reward", "mean", "mean lead of the best action's Q over the second-best"),
    Metric("learner/bonus_clipped", "share", "mean", "share of Munchausen bonuses cut at their lower bound"),
    Metric(
        "learner/agreement",
        "share",
        "mean",
        "share of decisions in the batch whose best action is the demonstrated one (learner=bc)",
    ),
    Metric("learner/entropy", "nats", "mean", "mean entropy of the policy: PPO's, or Munchausen's softmax"),
    Metric(
        "learner/learning_rate", "1", "last", "learning rate of the last update", "Training/learning_rate"
    ),
    # speed
    Metric("speed/frames_per_s", "1/s", "last", "decisions driven per second since the last row"),
    Metric("speed/updates_per_s", "1/s", "last", "updates per second since the last row"),
    Metric(
        "speed/samples_per_s",
        "1/s",
        "last",
        "transitions learnt from per second since the last row",
        "Performance/transitions_learned_per_second",
    ),
    Metric(
        "speed/update_s",
        "s",
        "last",
        "wall time per update since the last row (launch time on CUDA)",
        "Training/train_on_batch_duration",
    ),
    Metric(
        "speed/race_time_ratio",
        "ratio",
        "last",
        "race time that all cars drove, per wall time since the last row",
        "Race/race_time_ratio_{track}",
    ),
    Metric(
        "speed/driving_share",
        "share",
        "last",
        "wall time in acting, simulator and waiting for cars elsewhere: learning stands still",
        "Performance/learner_percentage_waiting_for_workers Performance/worker_time_in_rollout_percentage",
    ),
    Metric("exploration/share", "share", "mean", "training decisions that were not the greedy one"),
    Metric("collector/died", "workers", "last", "workers replaced because they died, so far"),
    Metric("collector/hung", "workers", "last", "workers replaced because they did not answer, so far"),
    Metric("collector/damaged", "workers", "last", "workers replaced for a damaged chunk, so far"),
    Metric("collector/stale", "chunks", "last", "chunks dropped for the age of their weights, so far"),
    Metric("collector/lost_races", "races", "last", "races lost by games that failed, so far"),
    Metric("collector/staleness", "versions", "mean", "weights versions published since a chunk's own"),
    Metric("collector/publish_ms", "ms", "mean", "time to publish a version of the weights"),
    Metric("time/simulator_share", "share", "last", "wall time in the environment (launch time on CUDA)"),
    Metric("time/acting_share", "share", "last", "wall time choosing actions (launch time on CUDA)"),
    Metric("time/waiting_share", "share", "last", "wall time waiting for chunks of collectors"),
    Metric("time/replay_share", "share", "last", "wall time in the replay (launch time on CUDA)"),
    Metric(
        "time/learning_share",
        "share",
        "last",
        "wall time in updates (launch time on CUDA)",
        "Performance/learner_percentage_training",
    ),
    Metric(
        "time/testing_share",
        "share",
        "last",
        "wall time in batches that are never learnt from",
        "Performance/learner_percentage_testing",
    ),
    Metric("time/evaluation_share", "share", "last", "wall time in evaluation races"),
    Metric("time/other_share", "share", "last", "the rest: logging, saving, waiting for the device"),
)


CATALOG: dict[str, Metric] = {metric.name: metric for metric in (*_ALL, *AGENT)}
_FAMILIES = [metric for metric in CATALOG.values() if metric.family]


def find(name: str) -> Metric | None:
    """The catalogue entry of `name`, which may be a member of a family."""
    return CATALOG.get(name) or next((each for each in _FAMILIES if name.startswith(each.stem)), None)


def metric(name: str) -> Metric:
    """As `find`; an unknown name is a programming error."""
    found = find(name)
    assert found is not None, f"metric {name!r} is not in metrics/catalog.py: say there what it means"
    return found


def made_from(name: str) -> list[Metric]:
    """The metrics that samples of `name` are reduced to."""
    others = [each for each in CATALOG.values() if each.of == name]
    return [metric(name)._replace(name=name), *others]


def published_tags(name: str, track: str) -> list[str]:
    """Under what names the published runs log the metric `name`."""
    entry = metric(name)
    placeholder = entry.name.partition("{")[2].rstrip("}")
    values = {"track": game_name(track)}
    if placeholder:
        values[placeholder] = name.removeprefix(entry.stem)
    return [tag.format(**values) for tag in entry.tag.split()]


def game_name(track: str) -> str:
    """The track as the game spells it: its campaign has A01 to E15, where our file is a01.yaml."""
    return track.upper() if re.fullmatch(r"[a-e](0\d|1[0-5])", track) else track
