"""A user's subclass counts like the class it comes from: classes are asked what they are, not their names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest
import torch
import yaml

from btr_tm.cli.assembly import conformance
from btr_tm.cli.assembly.assemble import collector_of
from btr_tm.cli.assembly.build import make, partial
from btr_tm.cli.assembly.gauges import pace
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.core.errors import UserError
from btr_tm.envs.plain import plain_simulator

MODULE = """
from btr_tm.envs.atari import AtariVectorEnv
from btr_tm.envs.gymnasium import GymnasiumVectorEnv
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.exploration.epsilon_boltzmann import EpsilonBoltzmann
from btr_tm.exploration.noise import NoisyGreedy
from btr_tm.nets.encoder.encoder import NoEncoder
from btr_tm.replay.horizon.discounted import Discounted
from btr_tm.replay.horizon.mini_race import MiniRace
from btr_tm.run.collector import InlineCollector


class MySim(SimVectorEnv):
    def __init__(self, **options):
        super().__init__(**options)


class MyTask(GymnasiumVectorEnv): ...
class MyGame(AtariVectorEnv): ...
class MyExploration(EpsilonBoltzmann): ...
class MyNoise(NoisyGreedy): ...
class MyBlindfold(NoEncoder): ...
class MyEndless(Discounted): ...
class MyMiniRace(MiniRace): ...
class MyCollector(InlineCollector): ...
"""
SMALL = ("profile=smoke", "device=cpu", "plugins=[my_parts]")


@pytest.fixture(autouse=True)
def my_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_parts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_parts", None)


def parts(*overrides: str) -> Parts:
    return Parts(checked(compose_job([*SMALL, *overrides]).values), torch.device("cpu"))


def test_a_subclass_of_the_simulator_is_one() -> None:
    own, ours = parts("env._target_=my_parts.MySim", "encoder=none"), parts("encoder=none")
    env = own.env(2, start_pool=1)
    assert type(env).__name__ == "MySim"
    assert own.track_name == ours.track_name == "a01"
    assert pace(own, env) == pace(ours, ours.env(2, start_pool=1))
    evaluator = own.evaluator(own.races(0), env.decision_ms)
    assert evaluator.canonical.medals_ms == own.track.medals_ms and evaluator.track_m > 0


def test_a_simulator_without_a_configuration_has_the_values_of_the_group() -> None:
    node = compose_job(["env=sim", "profile.race_ms=300000", "profile.compile=eager"]).values["env"]
    defaults = {
        name: parameter.default
        for name, parameter in signature(plain_simulator).parameters.items()
        if parameter.default is not parameter.empty
    }
    plain = ("ticks_per_action", "action_delay_ticks", "anywhere_share", "compile")
    assert {name: node[name] for name in plain} == {name: defaults[name] for name in plain}
    assert tuple(node["action_offsets_ms"]) == defaults["action_offsets_ms"]
    assert make(node["cut_offs"]) == defaults["cut_offs"]
    assert partial(node["gates"]).func is defaults["gates"]
    track = parts().track
    assert plain_simulator(track, 1, (0, 0), 1).race.float_lookup == make(node["float_lookup"])


def test_a_subclass_of_the_inline_collector_drives_the_environment_of_this_process() -> None:
    built = parts("collector._target_=my_parts.MyCollector", "encoder=none")
    env = built.env(2, start_pool=1)
    assert collector_of(built, env, built.policy(env).net).env is env


def test_a_subclass_of_no_encoder_reads_no_images() -> None:
    assert parts("encoder=none", "encoder._target_=my_parts.MyBlindfold").image_size == (0, 0)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("env=gymnasium", "env._target_=my_parts.MyTask", "encoder=none"), "needs the clock"),
        (("horizon._target_=my_parts.MyMiniRace", "env=gymnasium", "encoder=none"), "needs the clock"),
        (("horizon=discounted", "horizon._target_=my_parts.MyEndless"), "schedule.gamma reaches 1"),
        (("exploration=noisy", "exploration._target_=my_parts.MyNoise"), "needs noise in the head"),
        (
            ("exploration=epsilon_boltzmann", "exploration._target_=my_parts.MyExploration", "head=noisy"),
            "would never use the noise",
        ),
        (
            ("env=atari", "env._target_=my_parts.MyGame", "encoder=none", "horizon=discounted",
             "schedule=btr"),
            "nothing but pictures",
        ),
    ],
)  # fmt: skip
def test_a_subclass_contradicts_what_its_base_contradicts(overrides: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parts(*overrides)


def test_an_inline_subclass_shares_the_noise_of_acting() -> None:
    parts("head=noisy", "learner/noise=share_with_acting", "collector._target_=my_parts.MyCollector")


@pytest.mark.parametrize(
    ("group", "classes"),
    [
        ("env", conformance.ENVS),
        ("replay", conformance.REPLAYS),
        ("collector", conformance.COLLECTORS),
        ("parallel", conformance.PROCESSES),
        ("logger", conformance.LOGGERS),
    ],
)
def test_the_type_checker_sees_every_class_that_a_choice_names(group: str, classes: tuple[type, ...]) -> None:
    listed = {f"{each.__module__}.{each.__qualname__}" for each in classes}
    nodes = [yaml.safe_load(path.read_text("utf-8")) for path in (conf_dir() / group).glob("*.yaml")]
    if group == "logger":
        nodes = [node for choice in nodes for node in choice.values()]
    assert {node["_target_"] for node in nodes if "_target_" in node} == listed
