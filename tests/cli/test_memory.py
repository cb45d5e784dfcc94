"""What cannot fit into memory is refused before it is allocated, and what fits is not."""

from __future__ import annotations

import pytest
import torch

from btr_tm.cli.assembly.memory import layer_inputs, refuse_large_learner
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core import memory
from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.protocols import Spec
from btr_tm.core.types import Obs

GIB = 2**30


def parts(*overrides: str) -> Parts:
    return Parts(checked(compose_job(["profile=smoke", *overrides]).values), torch.device("cpu"))


def refuse(of: Parts) -> None:
    height, width = of.image_size
    refuse_large_learner(of, Spec((1, height, width), FloatLayout.full(), 12))


@pytest.fixture(autouse=True)
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: GIB)


def test_a_replay_that_does_not_fit_names_the_size_that_does() -> None:
    run = parts("encoder=none", "profile.replay_capacity=60000000")
    env = run.env(8)
    with pytest.raises(
        UserError, match=r"60,000,\d+ transitions in the replay need 4\d\.\d GiB .* 1\.0 GiB are free"
    ) as said:
        run.replay(env)
    most = int(str(said.value).split("profile.replay_capacity to ")[1].split()[0])
    assert 1_000_000 < most < 1_500_000
    assert parts("encoder=none", f"profile.replay_capacity={most}").replay(env).capacity >= most


def test_a_rollout_that_does_not_fit_names_the_steps_that_do() -> None:
    run = parts("+experiment=ppo", "encoder=none", "replay.steps=1e7", "profile.total_frames=1e9")
    with pytest.raises(UserError, match=r"^rollouts of 80,000,000 decisions need .*; lower replay.steps to"):
        run.replay(run.env(8))


def test_a_capacity_of_1e12_is_a_sentence() -> None:
    run = parts("encoder=none", "profile.replay_capacity=1e12")
    with pytest.raises(UserError, match="need .* GiB of memory"):
        run.replay(run.env(8))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["profile.head_hidden=10000000"], "weights with their optimizer need .* lower profile.head_hidden"),
        (["encoder=impala", "profile.impala_model_size=3000"], "lower .*profile.impala_model_size"),
        (["profile.batch_size=10000000", "profile.micro_batch=10"], "batches .* lower profile.batch_size to"),
        (
            [
                "encoder=impala",
                "profile.batch_size=8192",
                "profile.micro_batch=8192",
                "profile.impala_model_size=2",
            ],
            "updates of 8,192 transitions at once need .* lower profile.micro_batch to",
        ),
    ],
)
def test_what_learns_is_refused_before_it_is_allocated(overrides: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        refuse(parts(*overrides))


@pytest.mark.parametrize(
    ("size", "sentence"), [("cars", "profile.cars"), ("start_pool", "profile.start_pool")]
)
def test_cars_that_do_not_fit_are_refused(size: str, sentence: str) -> None:
    run = parts("encoder=none", f"profile.{size}=1000000000")
    with pytest.raises(UserError, match=f"1,000,000,000 .* need .* lower {sentence}"):
        run.env(run.profile["cars"])


@pytest.mark.parametrize("experiment", ["quickstart", "a01_v2", "a01_v4_btr"])
def test_what_ships_fits_into_its_machine(experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 8 * GIB)
    values = checked(compose_job([f"+experiment={experiment}"]).values)
    refuse(Parts(values, torch.device("cpu")))


def test_a_history_that_nobody_needs_is_refused_before_it_is_made() -> None:
    with pytest.raises(UserError, match="previous_actions must be at most 1000, got 1000000000"):
        parts("obs.previous_actions=1000000000").env(8)
    with pytest.raises(UserError, match="env.action_delay_ticks must be from 0 to 1000, got 1000000000"):
        parts("env.action_delay_ticks=1000000000").env(8)


def test_a_container_leaves_what_its_limit_leaves(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    without = memory.free_bytes(torch.device("cpu"))
    for name, text in (
        ("max", "3000000"),
        ("current", "2500000"),
        ("stat", "anon 5\ninactive_file 400000\n"),
    ):
        (tmp_path / f"memory.{name}").write_text(text)
    assert memory.free_bytes(torch.device("cpu")) == 900_000 < without
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_bytes(torch.device("cpu")) > 900_000


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("encoder", ["cnn", "impala", "impala_sn", "impala_sn_pool"])
def test_networks_of_every_encoder_and_precision_are_counted_before_they_are_built(
    encoder, precision
) -> None:
    run = parts(f"encoder={encoder}", f"profile.precision={precision}")
    refuse(run)
    with torch.device("meta"):  # refuse_large_learner lets pass what cannot be built so
        assert all(
            each.is_meta for each in run.plain_net(Spec((1, 40, 40), FloatLayout.full(), 12)).parameters()
        )


NETWORKS = {
    "concat": ["encoder=impala_sn_pool", "head=noisy_ln"],
    "film": ["encoder=impala_sn_pool", "fusion=film"],
    "transformer": ["encoder=cnn_pool", "fusion=transformer"],
    "shared": ["encoder=none", "net=shared"],
    "ppo": ["+experiment=ppo", "fusion=transformer"],
    "two eyes": ["+experiment=ppo", "net.shared=false"],
    "reconstruction": ["+experiment=pretrain"],
    "contrast": ["+experiment=pretrain", "net/objective=contrast"],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_counted_is_kept_by_the_real_network_which_keeps_little_else(name: str) -> None:
    run = parts(*NETWORKS[name])
    height, width = run.image_size
    spec, taus = Spec((1, height, width), FloatLayout.full(), 12), run.profile["taus"]
    with torch.device("meta"):
        counted = layer_inputs(run.plain_net(spec), spec, taus)
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    net = run.plain_net(spec)
    own = {weight.untyped_storage().data_ptr() for weight in net.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        net.answers(
            Obs(torch.zeros(1, 1, height, width, dtype=torch.uint8), torch.zeros(1, spec.layout.size)), taus
        )
    real = sum(tensor.numel() for place, tensor in kept.items() if place not in own)
    assert counted <= real <= 5 * counted
