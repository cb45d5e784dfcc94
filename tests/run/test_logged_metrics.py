"""A short run logs every metric that its configuration can have, and TensorBoard says the same."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.metrics.catalog import CATALOG, find, metric, published_tags
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.race.actions import FORWARD
from btr_tm.run.run import NoReport

TRACK = """\
blocks:
  - start
  - straight
  - checkpoint
  - straight
  - finish
  - straight: {length: 4}
"""
AUTHOR = "# track: short\n# time_ms: 9000\n# ticks: 900\n0.00-9.00 press up\n"
SMALL = [
    "profile=smoke",
    "profile.race_ms=20000",
    "profile.eval_starts=1",
    "profile.threads=1",
    "logger=tensorboard",
    "env.anywhere_share=0",
]
VARIANTS = {
    "all six": ["+experiment=quickstart", "eval=inline", "exploration=noisy", "replay=prioritized"],
    "plain": [
        "target=ddqn",
        "encoder=cnn",
        "head=plain",
        "replay=uniform",
        "replay/split=per_transition",
    ],
}
# What the other configuration has instead, by the beginning of the name.
ABSENT = {
    "all six": {
        "settings/epsilon": "the noise of the head explores alone",
        "settings/boltzmann_tau": "the noise of the head explores alone",
        "test/": "nothing is set aside for tests",
    },
    "plain": {
        "policy/entropy": "a greedy target has no softmax policy",
        "policy/bonus": "only Munchausen has a bonus",
        "learner/entropy": "a greedy target has no softmax policy",
        "learner/bonus": "only Munchausen has a bonus",
        "noisy/": "the head is plain",
        "spectral/": "kernels are as they are",
        "replay/priority": "sampling is uniform",
        "replay/weight_min": "sampling is uniform",
    },
}
PPO = ("policy_loss", "value_loss", "kl", "ratio_clipped", "explained_variance", "epochs")
# Of collectors in processes of their own, of bins, and of other learners: bc, pretraining and ppo.
OTHERS = ("agreement", "matched", "target_outside_bins", *PPO)
ELSEWHERE = ("collector/", *(f"learner/{name}" for name in OTHERS))


@pytest.fixture(scope="module", params=VARIANTS)
def finished(request, tmp_path_factory):
    """A run on a short straight track whose cars all drive forwards, so that races are finished."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "short.yaml").write_text(TRACK)
    (folder / "short.author.inputs").write_text(AUTHOR)
    track = f"track.name_or_path={(folder / 'short.yaml').as_posix()}"
    run = build(dataclasses.replace(compose_job([*VARIANTS[request.param], *SMALL, track]), folder=folder))
    run.report, policy = NoReport(), run.learner.policy
    act = policy.act

    def forwards(obs, explore):
        decision = act(obs, explore)
        return decision._replace(action=torch.full_like(decision.action, FORWARD))

    policy.act = forwards
    run.train()
    return request.param, read_record(run.record.path), folder


@pytest.mark.slow
def test_everything_that_can_be_logged_is(finished):
    variant, rows, _ = finished
    logged = {metric(name).name for row in rows for name in row}
    missing = {name for name in CATALOG if name not in logged and not name.startswith(ELSEWHERE)}
    excused = {name for name in CATALOG if name.startswith(tuple(ABSENT[variant]))}
    assert missing == excused


def test_what_epsilon_explores_is_counted_and_noise_chooses_greedily(finished):
    """11 of 12 random actions are not the greedy one."""
    variant, rows, _ = finished
    shares = [row["exploration/share"] for row in rows]
    if variant == "all six":
        assert set(shares) == {0.0}
    else:
        assert shares[0] == pytest.approx(rows[0]["settings/epsilon"] * 11 / 12, abs=0.1)


@pytest.mark.slow
def test_tensorboard_holds_the_record_under_both_names(finished):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    _, rows, folder = finished
    events = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    expected: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for name, value in row.items():
            for tag, scale in [
                (name, 1.0),
                *((t, metric(name).scale) for t in published_tags(name, "short")),
            ]:
                expected.setdefault(tag, []).append((int(row["frames"]), scale * value))
    assert set(events.Tags()["scalars"]) == set(expected)
    for tag, points in expected.items():
        written = [(event.step, event.value) for event in events.Scalars(tag)]
        assert written == [(step, pytest.approx(value, rel=1e-6)) for step, value in points], tag


@pytest.mark.slow
def test_published_names_of_a_race_are_there(finished):
    _, rows, _ = finished
    tags = {tag for row in rows for name in row for tag in published_tags(name, "short")}
    names = """
        Race/eval_race_time_trained_short Race/eval_race_finished_trained_short Race/race_time_ratio_short
        Race/eval_race_time_finished_trained_short Race/eval_race_time_robust_trained_short
        Race/explo_race_time_trained_short Race/explo_race_finished_trained_short
        Race/explo_race_time_finished_trained_short Race/split_short_0 Race/split_short_1
        eval_ratio_trained_author_short eval_agg_ratio_trained_gold RL/avg_Q_trained_short
        RL/mean_action_gap_short RL/single_zone_reached_trained_short RL/q_value_0_starting_frame_short
        RL/gamma Training/loss Training/learning_rate Training/batch_size Buffer/size Buffer/max_size
        Gradients/norm_median Gradients/norm_before_clip_d98 IQN/quantile_std_action_11
        cumul_number_frames_played cumul_training_hours alltime_min_ms_short
    """
    assert set(names.split()) <= tags
    best = min(row["race/alltime_best_s"] for row in rows if "race/alltime_best_s" in row)
    assert best < 9.0 and max(row.get("canonical/medal", 0) for row in rows) == 4  # forwards beats 9 s


@pytest.mark.slow
def test_members_of_families_are_named_after_what_there_is(finished):
    _, rows, _ = finished
    names = {name for row in rows for name in row}
    families = {each.name for each in CATALOG.values() if each.family}
    found = {
        name: entry.name for name in names if (entry := find(name)) is not None and entry.name in families
    }
    layers = [name for name, family in found.items() if family == "weights/rms.{tensor}"]
    assert {name.replace("weights/rms", "gradients/l2") for name in layers} <= names
    splits = [
        row["canonical/split_s.0"] + row["canonical/split_s.1"]
        for row in rows
        if "canonical/split_s.1" in row
    ]
    times = [row["canonical/time_s"] for row in rows if "canonical/split_s.1" in row]
    assert splits == pytest.approx(times)
