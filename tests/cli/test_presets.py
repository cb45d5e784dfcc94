"""What each preset and each published run stands for, and that they agree."""

from __future__ import annotations

from dataclasses import fields
from functools import cache

import pytest
import torch
import yaml

from btr_tm.cli.assembly.build import make
from btr_tm.cli.assembly.parts import checked
from btr_tm.cli.configuration.composition import Composition, compose_job
from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.cli.configuration.schema import Convention

PRESETS = sorted(path.stem for path in (conf_dir() / "preset").glob("*.yaml"))
PUBLISHED = ["a01_v2", "a01_v4_btr", "a01_v4_1_btr", "a01_v4_2_btr"]
KEYS = {field.name for field in fields(Convention)}


@cache
def job(*overrides: str) -> Composition:
    return compose_job(overrides)


@cache
def convention(preset: str) -> dict:
    return job(f"preset={preset}").values["convention"]


@cache
def choices(preset: str) -> dict[str, str]:
    return job(f"preset={preset}").choices


def changed(node: dict, other: dict, path: str = "") -> dict[str, tuple]:
    """Dotted keys with their two values where two configurations differ; the name left out."""
    found: dict[str, tuple] = {}
    for key in node.keys() | other.keys():
        one, two = node.get(key), other.get(key)
        if isinstance(one, dict) and isinstance(two, dict):
            found |= changed(one, two, f"{path}{key}.")
        elif one != two and key != "name":
            found[path + key] = (one, two)
    return found


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_every_convention_and_composes(preset: str) -> None:
    assert set(convention(preset)) == KEYS
    checked(job(f"preset={preset}", "profile=smoke").values)


def test_the_default_preset_spells_every_convention_out() -> None:
    content = yaml.safe_load((conf_dir() / "preset" / "default.yaml").read_text(encoding="utf-8"))
    assert set(content) == {"convention"} and set(content["convention"]) == KEYS


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "default"])
def test_other_presets_hold_only_what_differs(preset: str) -> None:
    content = yaml.safe_load((conf_dir() / "preset" / f"{preset}.yaml").read_text(encoding="utf-8"))
    (parent, *overrides, _) = content["defaults"]
    inherited = convention(parent)
    kept = {"gamma_speed"} if preset == "btr_seed" else set()  # spelt out: inferred
    same = {key for key, value in content["convention"].items() if inherited[key] == value}
    assert same == kept
    lines = [(key.removeprefix("override /"), choice) for line in overrides for key, choice in line.items()]
    same = {group for group, choice in lines if choices(parent)[group] == choice}
    assert same == ({"float_lookup"} if preset == "btr_seed" else set())
    assert all(choices(preset)[group] == choice for group, choice in lines)


def test_the_command_line_beats_an_experiment_and_an_experiment_its_preset() -> None:
    """Of the groups that presets override, and whatever is changed in between."""
    seed = job("+experiment=a01_v2").choices
    assert (seed["gates"], seed["credit"], seed["replay/finish"]) == ("checkpoints", "uses", "dropped")
    typed = job("+experiment=a01_v2", "gates=none", "replay=uniform", "encoder=none").choices
    assert (typed["gates"], typed["credit"], typed["replay/finish"]) == ("none", "uses", "dropped")
    back = job("+experiment=a01_v4_2_btr", "preset=default", "+ablation=no_noisy").choices
    assert (back["gates"], back["credit"], back["replay/finish"]) == ("none", "frames", "stored")
    assert job("preset=btr_code", "learner/noise=redraw_both").choices["learner/noise"] == "redraw_both"
    assert job("preset=btr_code", "learner.target_sync.every_updates=7").values["learner"]["target_sync"] == {
        "_target_": "btr_tm.agent.target_sync.HardSync", "every_updates": 7, "buffers": "follow",
    }  # fmt: skip


def test_an_experiment_that_overrides_a_group_beats_the_preset_that_it_chooses(tmp_path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - a01_v2\n  - override /gates: none\n  - _self_\nname: mine\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    chosen = compose_job(["+experiment=mine"], str(tmp_path)).choices
    assert (chosen["preset"], chosen["gates"], chosen["credit"]) == ("btr_seed", "none", "uses")


def test_paper_and_code_of_btr_differ_where_they_are_known_to() -> None:
    differ = {key for key in KEYS if convention("btr_paper")[key] != convention("btr_code")[key]}
    assert differ == {"munchausen_log_pi_from", "adam_eps", "max_over"}
    paper, code = choices("btr_paper"), choices("btr_code")
    assert {group for group in code if paper[group] != code[group]} == {"preset", "replay/exponent"}


@pytest.mark.parametrize("experiment", PUBLISHED[:3])
def test_published_runs_and_the_seed_preset_agree(experiment: str) -> None:
    plain, again = job(f"+experiment={experiment}"), job(f"+experiment={experiment}", "preset=btr_seed")
    assert plain.fingerprint == again.fingerprint
    assert plain.values["convention"] == convention("btr_seed")


def test_the_known_slips_of_the_published_runs_are_in_the_seed_preset_and_nowhere_else() -> None:
    slips = {
        "damper_std": 0.5, "munchausen_clip_on": "log_pi", "rolling_start": "unfinished",
        "max_over": "quantile",
    }  # fmt: skip
    for key, value in slips.items():
        assert convention("btr_seed")[key] == value
        assert convention("default")[key] != value and convention("btr_paper")[key] != value, key
    groups = {"finish": "dropped", "split": "per_transition", "gamma_at": "insertion"}
    for group, choice in groups.items():
        assert choices("btr_seed")[f"replay/{group}"] == choice
        assert choices("default")[f"replay/{group}"] != choice != choices("btr_paper")[f"replay/{group}"]


def test_v4_differs_from_the_baseline_in_its_ingredients_and_previous_actions() -> None:
    differ = changed(job("+experiment=a01_v2").values, job("+experiment=a01_v4_btr").values)
    assert {key.split(".")[0] for key in differ} == {"encoder", "head", "net", "obs", "target"}
    assert differ["obs.previous_actions"] == (5, 25)


def test_v4_1_differs_from_v4_in_its_annealing_only() -> None:
    differ = changed(job("+experiment=a01_v4_btr").values, job("+experiment=a01_v4_1_btr").values)
    assert set(differ.values()) == {(4.0, 1.0)}
    assert all(key.endswith("speed") for key in differ)
    assert not any("gamma" in key for key in differ)  # which was not stretched


def test_v4_2_differs_from_v4_1_in_what_is_published() -> None:
    differ = changed(job("+experiment=a01_v4_1_btr").values, job("+experiment=a01_v4_2_btr").values)
    memory = [[0, 65536, 32768], [500000, 1048576, 262144]]
    assert {key: two for key, (_, two) in differ.items()} == {
        "convention.clip_norm": 10.0, "learner.step.clip_norm": 10.0,
        "convention.weight_decay_ratio": 0.0, "learner.step.weight_decay_ratio": 0.0,
        "profile.head_hidden": 256, "head.hidden": 256, "profile.cosines": 64,
        "net.values.cosines": 64, "value.net.cosines": 64,
        "profile.replay_steps": memory, "replay.capacity.points": memory,
        "profile.replay_capacity": 1048576, "profile.warmup_frames": 32768,
        "schedule.learning_rate.points": [[0, 1.0e-4]], "learner.learning_rate.points": [[0, 1.0e-4]],
        "schedule.gamma.points": [[0, 0.997]], "horizon.gamma.points": [[0, 0.997]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("experiment", "at", "rate", "gamma", "memory"),
    [
        ("a01_v2", 12_000_000, 5.0e-5, 1.0, (50_000, 20_000)),
        ("a01_v2", 60_000_000, 1.0e-5, 1.0, (200_000, 150_000)),
        ("a01_v4_1_btr", 1_500_000, 2.236068e-4, 0.999, (50_000, 20_000)),
        ("a01_v4_1_btr", 13_500_000, 2.236068e-5, 1.0, (200_000, 150_000)),
        ("a01_v4_2_btr", 13_500_000, 1.0e-4, 0.997, (1_048_576, 262_144)),
    ],
)
def test_schedules_of_the_published_runs_have_the_known_values(experiment, at, rate, gamma, memory) -> None:
    values = job(f"+experiment={experiment}").values
    nodes = values["schedule"]
    assert make(nodes["learning_rate"])(at) == pytest.approx(rate, rel=1e-6)
    assert make(nodes["gamma"])(at) == pytest.approx(gamma)
    assert tuple(make(values["replay"]["capacity"])(at)) == memory


def test_the_papers_epsilon_is_a_straight_line_to_the_switch_off() -> None:
    epsilon = make(job("schedule=btr_linear").values["schedule"]["epsilon"])
    assert epsilon(1_000_000) == pytest.approx(0.505)
    assert epsilon(20_000_000) == pytest.approx(0.01) and epsilon(25_000_000) == 0.0
    drawn = torch.tensor([epsilon(frame) for frame in range(0, 25_000_000, 5000)], dtype=torch.float64)
    assert drawn.sum().item() * 5000 == pytest.approx(
        1.24e6, rel=1e-2
    )  # random actions before the switch-off
