"""Every choice of every group builds, and what it builds is what it says."""

from __future__ import annotations

import io
from functools import cache
from types import SimpleNamespace

import pytest
import torch

from btr_tm.cli.assembly.build import make, partial
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Batch, Obs

CPU = torch.device("cpu")


@cache
def parts(*overrides: str) -> Parts:
    return Parts(checked(compose_job(list(overrides)).values), CPU)


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def seen(parts: Parts, layout: FloatLayout | None = None) -> SimpleNamespace:
    """What a network asks of an environment."""
    return SimpleNamespace(
        image_shape=(1, *parts.image_size), layout=layout or FloatLayout.full(), actions=12, block=()
    )


def parameters(*overrides: str, previous_actions: int = 5) -> int:
    built = parts(*overrides)
    env = seen(built, FloatLayout.full(previous_actions))
    return sum(p.numel() for p in built.net(env).parameters())


@pytest.mark.parametrize(
    ("overrides", "count"),
    [
        (("+experiment=a01_v2",), 1_051_805),
        (("+experiment=a01_v2", "encoder=cnn_pool"), 1_789_725),
        (("+experiment=a01_v2", "encoder=impala"), 5_526_861),
        (("+experiment=a01_v2", "encoder=impala_pool"), 3_460_685),
        (("+experiment=a01_v2", "encoder=cnn_sn"), 1_051_805),
        (("+experiment=a01_v2", "head=ln"), 1_054_877),
        (("+experiment=a01_v2", "head=noisy"), 1_845_417),
        (("+experiment=a01_v4_btr",), 6_092_377),
        (("+experiment=a01_v4_2_btr",), 3_298_649),
    ],
)
def test_published_parameter_counts(overrides: tuple[str, ...], count: int, monkeypatch) -> None:
    monkeypatch.setattr("btr_tm.nets.network.initialise", lambda *_: None)  # counting needs no weights
    assert parameters(*overrides) == count


@pytest.mark.parametrize(
    ("experiment", "count"),
    [
        ("a01_v2", 1_051_805),
        ("a01_v4_btr", 6_112_857),
        ("a01_v4_1_btr", 6_112_857),
        ("a01_v4_2_btr", 3_319_129),
    ],
)
def test_published_runs_have_the_published_sizes(experiment: str, count: int, monkeypatch) -> None:
    monkeypatch.setattr("btr_tm.nets.network.initialise", lambda *_: None)
    floats = parts(f"+experiment={experiment}").values["obs"]["previous_actions"]
    assert parameters(f"+experiment={experiment}", previous_actions=floats) == count


@pytest.mark.parametrize(
    "group",
    [
        "encoder", "encoder/body", "encoder/norm", "encoder/pool",
        "head", "head/linear", "head/norm", "head/shape",
    ],
)  # fmt: skip
def test_every_network_choice_runs_forward(group: str) -> None:
    for choice in choices(group):
        built = parts("profile=smoke", f"{group}={choice}")
        env = seen(built)
        obs = Obs(torch.zeros(2, *env.image_shape, dtype=torch.uint8), torch.zeros(2, env.layout.size))
        assert built.net(env)(obs, torch.rand(2, 3)).shape == (2, 3, 12), choice


@pytest.mark.parametrize(
    "group", ["target", "exploration", "horizon", "optimizer", "schedule", "obs", "reward"]
)
def test_every_choice_builds(group: str) -> None:
    extra = {
        "exploration": ["head=noisy"],
        "horizon": ["schedule=btr"],
    }
    for choice in choices(group):
        more = ["head=plain"] if choice == "epsilon_boltzmann" else extra.get(group, [])
        built = parts(*more, f"{group}={choice}")
        if group == "schedule":
            nodes = built.values["schedule"].values()
            values = [make(node)(10**7) for node in nodes if isinstance(node, dict)]
            assert len(values) == 4 and all(value >= 0 for value in values), choice
        else:
            assert callable(partial(built.values[group])), choice


@pytest.mark.parametrize("choice", [name for name in choices("track") if name != "line"])
def test_every_track_builds(choice: str) -> None:
    assert parts(f"track={choice}").track.name == choice


@pytest.mark.parametrize(("choice", "numbers"), [("plain", 0), ("varied", 6)])
def test_every_appearance_builds(choice: str, numbers: int) -> None:
    env = parts("profile=smoke", f"env/appearance={choice}").env(2)
    env.reset()
    assert env.drive.variation.shape == (2, numbers)


# What demonstrations need is a file: tests/cli/test_demos.py.
@pytest.mark.parametrize("choice", [name for name in choices("replay") if name != "demonstrations"])
def test_every_replay_builds(choice: str) -> None:
    learner = ["+experiment=ppo"] if choice == "rollout" else []
    built = parts(*learner, "profile=smoke", f"replay={choice}")
    layout = FloatLayout.generic(3)
    env = SimpleNamespace(
        num_envs=4, image_shape=(1, 8, 8), layout=layout, block=(), decision_ms=50, stacked_frames=1
    )
    assert len(built.replay(env)) == 0


def batch(size: int, shape: tuple[int, int, int]) -> Batch:
    draw = torch.Generator().manual_seed(0)

    def obs() -> Obs:
        image = torch.randint(0, 256, (size, *shape), dtype=torch.uint8, generator=draw)
        return Obs(image, torch.randn(size, 184, generator=draw))

    return Batch(
        obs=obs(),
        action=torch.randint(0, 12, (size,), generator=draw),
        reward=torch.randn(size, generator=draw),
        discount=torch.full((size,), 0.97),
        next_obs=obs(),
        weight=torch.ones(size),
        index=torch.arange(size),
    )


def learnt(*overrides: str) -> dict[str, torch.Tensor]:
    """All state of the learner after its first update."""
    built = Parts(parts(*overrides).values, CPU)
    env = seen(built)
    learner = built.learner(built.policy(env))
    learner.update(batch(16, env.image_shape))
    buffer = io.BytesIO()
    torch.save(learner.state_dict(), buffer)
    return torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)["online"]


LEAVES = ("encoder/body=cnn", "encoder/norm=none", "encoder/pool=none", "head/norm=none", "head/linear=plain")
NO = "no_munchausen,no_impala,no_maxpool,no_spectral_norm,no_layer_norm,no_noisy"


@pytest.mark.parametrize(
    "off",
    [
        ("+experiment=a01_v4_btr", "target=ddqn", "encoder=cnn", "head=plain"),
        ("+experiment=a01_v4_btr", "target=ddqn", *LEAVES),
        ("+experiment=a01_v4_btr", f"+ablation=[{NO}]"),
        ("+experiment=a01_v4_1_btr", "target=ddqn", "encoder=cnn", "head=plain"),
    ],
    ids=["presets", "leaves", "ablations", "v4.1"],
)
def test_every_ingredient_off_is_the_baseline_weight_for_weight(off: tuple[str, ...]) -> None:
    experiment, *rest = off
    weights, base = learnt(experiment, "profile=smoke", *rest), learnt("+experiment=a01_v2", "profile=smoke")
    assert weights.keys() == base.keys()
    assert all(torch.equal(weights[name], base[name]) for name in base)


@pytest.mark.parametrize("preset", ["default", "btr_paper", "btr_code"])
def test_the_baseline_of_every_preset_is_reached_by_switching_off(preset: str) -> None:
    switched = ("target=ddqn", "encoder=cnn", "head=plain")
    off = learnt("+experiment=a01_v4_btr", "profile=smoke", f"preset={preset}", *switched)
    base = learnt("+experiment=a01_v2", "profile=smoke", f"preset={preset}")
    assert all(torch.equal(off[name], base[name]) for name in base)


def test_seeds_draw_different_weights() -> None:
    first, second = (learnt("profile=smoke", "encoder=none", f"seed={seed}") for seed in (0, 1))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_a_driver_without_eyes_is_not_shown_pictures() -> None:
    assert parts("encoder=none").image_size == (0, 0)
