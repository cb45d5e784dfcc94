"""The table of docs/learners.md: what each learner can be combined with, and one sentence where it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from btr_tm.cli.assembly.parts import checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError

LEARNERS = {
    "iqn": ["+experiment=quickstart", "target=ddqn"],
    "ppo": ["+experiment=ppo"],
    "bc": ["+experiment=bc", "demos=some.safetensors"],
    "pretraining": ["+experiment=pretrain"],
}
BASE = ["encoder=cnn", "head=plain"]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "learners.md"
ROW = re.compile(r"^\| [^|]+ \| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def table() -> dict[tuple[str, str], str]:
    """What the page says of each learner and choice: yes, no, or idle for what changes nothing."""
    rows = {words: cells.split(" | ") for words, cells in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    return {
        (name, words): cell
        for words, cells in rows.items()
        for name, cell in zip(LEARNERS, cells, strict=True)
    }


TABLE = table()


def test_the_table_names_the_six_ingredients() -> None:
    choices = {words for _, words in TABLE}
    assert choices >= {
        "target=munchausen",
        "encoder/body=impala",
        "encoder/pool=adaptive_max",
        "encoder/norm=spectral",
        "head/norm=layer",
        "head/linear=noisy",
    }


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_runs_on_the_base(learner: str) -> None:
    checked(compose_job([*LEARNERS[learner], *BASE]).values)


@pytest.mark.parametrize(("learner", "words"), TABLE)
def test_every_cell_is_what_the_configuration_allows(learner: str, words: str) -> None:
    job = [*LEARNERS[learner], *BASE, *words.split(), *(["exploration=auto"] if "noisy" in words else [])]
    if TABLE[learner, words] == "no":
        with pytest.raises(UserError) as refusal:
            checked(compose_job(job).values)
        sentence = str(refusal.value)
        assert sentence.count("\n") == 0 and learner in sentence
    else:
        checked(compose_job(job).values)


def test_demonstrations_are_refused_by_a_learner_that_cannot_use_them() -> None:
    with pytest.raises(UserError, match="learner=ppo learns from what it drives itself"):
        checked(compose_job(["+experiment=ppo", "demos=some.safetensors"]).values)


PPO, BC = ["+experiment=ppo"], ["+experiment=bc", "demos=some.safetensors"]
LACKS = "a part that learner=ppo does not have; leave {} out, or choose another learner$"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["learner=ppo", "replay=prioritized_linesight"],
            "^replay=prioritized_linesight sets learner/priority_error, "
            + LACKS.format("replay=prioritized_linesight"),
        ),
        ([*PPO, "preset=btr_paper"], "^preset=btr_paper sets .*, " + LACKS.format("preset=btr_paper")),
        (
            ["+experiment=a01_v2", "learner=ppo"],
            "^experiment=a01_v2 sets .*" + LACKS.format("experiment=a01_v2"),
        ),
        ([*PPO, "learner/priority_error=mean"], "^learner/priority_error=mean: learner=ppo has no such part"),
        (
            [*PPO, "replay=prioritized"],
            "learner=ppo learns from what it has just driven; choose replay=rollout",
        ),
        ([*PPO, "collector=processes"], "learner=ppo learns from .*; choose collector=inline"),
        ([*PPO, "env=desktop"], "a game in real time .* learner=ppo .*; choose learner=iqn"),
        (
            [*PPO, "replay.steps=100000"],
            "^learner=ppo would learn nothing: a rollout is .* lower replay.steps to",
        ),
        ([*BC, "net=actor_critic"], "which learner=bc learns; choose net=separate"),
        ([*BC, "net=pretraining"], "which learner=bc learns; choose net=separate"),
        (
            [*BC, "replay=rollout"],
            "not to learner=bc; choose replay=demonstrations",
        ),
        ([*BC, "replay=prioritized"], "learner=bc would clone what it drives itself"),
        ([*BC, "credit=rollout"], "not to learner=bc; choose credit=frames"),
    ],
)
def test_what_does_not_suit_a_learner_is_a_sentence_that_names_it_and_says_what_to_do(
    words: list[str], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as refusal:
        checked(compose_job(words).values)
    assert "\n" not in str(refusal.value)
