"""A run that trains an image encoder alone, and a run that drives with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.assembly.driver import load_driver
from btr_tm.cli.assembly.parts import checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from btr_tm.run.run import Run

SMALL = ["profile=smoke", "profile.cars=4", "profile.start_pool=4", "profile.eval_starts=0", "logger=none"]
PRETRAIN = ["+experiment=pretrain", *SMALL]


def begun(folder: Path, *words: str) -> Run:
    return build(compose_job([*words, f"runs_dir={folder.as_posix()}"]))


def driven(run: Run, calls: int = 8) -> None:
    for _ in range(calls):
        for transition in run.collector.collect(run.learner.policy).transitions:
            run.replay.add(transition)
            run.clock.frames += 4


@pytest.fixture(scope="module", params=["reconstruction", "contrast"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with one checkpoint, after an update that was never saved."""
    run = begun(tmp_path_factory.mktemp("pretrained"), *PRETRAIN, f"net/objective={request.param}")
    driven(run)
    run.learner.update(run.replay.sample(16))
    run.checkpoint.prepare()
    assert run.checkpoint.save()
    yield run
    run.close()


def test_races_have_pictures_of_their_own_and_are_driven_at_random(trained: Run) -> None:
    batch = trained.replay.sample(16)
    assert len(batch.action.unique()) > 3
    sky = batch.obs.image[:, 0, 0, 0]
    assert len(sky.unique()) > 1
    assert batch.obs.image.dtype is torch.uint8


def test_a_run_goes_on_where_it_was_saved(trained: Run) -> None:
    assert trained.checkpoint.load_newest()
    following = trained.learner.update(trained.replay.sample(16)).metrics["loss"]
    assert trained.checkpoint.load_newest()
    assert torch.equal(trained.learner.update(trained.replay.sample(16)).metrics["loss"], following)
    assert trained.checkpoint.load_newest()


def test_any_learner_begins_with_the_encoder(trained: Run, tmp_path: Path) -> None:
    words = ["+experiment=quickstart", *SMALL, "eval=inline", "obs=camera"]
    source = f"init_from='{trained.folder.as_posix()}'"
    run = begun(tmp_path, *words, source, "init_part=encoder")
    encoder = trained.learner.online.encoder.state_dict()
    for name, value in run.learner.online.encoder.state_dict().items():
        assert torch.equal(value, encoder[name]), name
    for name, value in run.learner.target_net.encoder.state_dict().items():
        assert torch.equal(value, encoder[name]), name
    run.close()
    with pytest.raises(UserError, match="take the encoder alone with init_part=encoder"):
        begun(tmp_path / "whole", *words, source)


def test_what_was_pretrained_is_a_driver_that_keeps_straight_on(trained: Run) -> None:
    driver = load_driver(trained.folder.as_posix(), "cpu")
    env = driver.parts.env(2, start_pool=1)
    obs, _ = env.reset(options={"start": "canonical"})
    assert driver.policy.act(obs, explore=False).action.tolist() == [0, 0]
    env.close()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["net=separate"], "learner=pretraining needs net=pretraining"),
        (["encoder=none"], "encoder=none leaves learner=pretraining nothing to train"),
        (["target=munchausen"], "target=munchausen is about action values"),
        (["head=noisy_ln"], "builds the image encoder alone, and no head; choose head=plain"),
        (["head=ln"], "builds the image encoder alone, and no head; choose head=plain"),
        (["exploration=noisy_epsilon"], "drives at random, whatever explores"),
        (["parallel=ddp"], "learns in one process; choose parallel=none"),
        (["learner=iqn"], "net=pretraining has no action values"),
        (["replay=rollout", "credit=rollout"], "replay=rollout belongs to learner=ppo"),
        (["learner=ppo", "replay=rollout", "credit=rollout"], "learner=ppo needs a network with a policy"),
    ],
)
def test_what_pretraining_has_no_use_for_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        checked(compose_job([*PRETRAIN, *words]).values)
