"""`env.action_offsets_ms`: what is built where a decision is a block of several actions."""

from __future__ import annotations

import pytest

from btr_tm.core.errors import UserError

from .test_parts import parts


def test_the_clipped_horizon_stays_seven_seconds_whatever_a_decision_lasts() -> None:
    for offsets, decisions in (([0], 140), (list(range(0, 50, 10)), 140), (list(range(0, 100, 10)), 70)):
        built = parts("profile=smoke", "encoder=none", f"env.action_offsets_ms={offsets}".replace(" ", ""))
        env = built.env(2)
        assert built.replay(env)._horizon.decisions == decisions == 7000 // env.decision_ms


def test_network_replay_and_exploration_are_built_for_blocks() -> None:
    words = ["env.action_offsets_ms=[0,10,20]", "convention.exploration_draw=per_block", "target=munchausen"]
    built = parts("profile=smoke", "encoder=none", *words, "convention.munchausen_nstep=all")
    env = built.env(4)
    policy, replay = built.policy(env), built.replay(env)
    assert policy.net.head.shape == (3, 12) and policy.exploration.draw == "per_block"
    assert replay.ring.rows["action"].shape[1:] == (3,)
    decision = policy.act(env.reset()[0], explore=True)
    assert decision.action.shape == (4, 3) and decision.q.shape == (4, 3, 12)


@pytest.mark.parametrize("offsets", ["[0,20]", "[10,20]", "[]", "often"])
def test_offsets_with_a_hole_are_refused_in_a_sentence(offsets: str) -> None:
    with pytest.raises(UserError, match="action_offsets_ms must count 0, 10, 20, ... without a hole"):
        parts("profile=smoke", f"env.action_offsets_ms={offsets}").env(1)
