"""What is different in a published configuration with `training.algorithm: ppo`."""

from __future__ import annotations

from btr_tm.cli.importing.draft import Draft, Kind, Rule, Value, absent, always, flag, idle, into, last_value
from btr_tm.cli.importing.keys import NETWORK
from btr_tm.cli.importing.rules import schedule
from btr_tm.core.schedule import Linear

OF_IQN = "IQN alone reads it"


def _unless_scheduled(key: str, rule: Rule) -> Rule:
    """`rule`, unless `ppo.key` is there too, which wins."""

    def checked(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
        if f"ppo.{key}" in draft.leaves:
            return "no effect", f"ppo.{key} wins"
        return rule(draft, path, value)

    return checked


def _or_zero(value: Value) -> float:
    return float(value or 0)


WEIGHTS = {  # a number and its schedule
    "gae_lambda": ("learner", "passes.trace"),
    "ent_coef": ("learner", "loss.entropy_weight"),
    "vf_coef": ("learner", "loss.value_weight"),
}
PPO: dict[str, Rule] = (
    {
        "clip_coef": into("learner", "loss.clip", float),
        "clip_coef_vf": into("learner", "loss.value_clip", _or_zero),
        "max_grad_norm": into("learner", "step.clip_norm", float),
        "update_epochs": into("learner", "passes.epochs", int),
        "num_minibatches": into("learner", "passes.minibatches", int),
        "target_kl": into("learner", "passes.target_kl", _or_zero),
        "normalize_advantages": always(True),
        "rollout_steps_per_update": flag("rollout", int),
        "gamma": _unless_scheduled(
            "ppo_gamma_schedule", into("schedule", "gamma.points", lambda value: [[0, float(value)]])
        ),
        "ppo_gamma_schedule": schedule("schedule", "gamma.points", Linear),
    }
    | {key: _unless_scheduled(f"{key}_schedule", into(*place, float)) for key, place in WEIGHTS.items()}
    | {f"{key}_schedule": last_value(*place) for key, place in WEIGHTS.items()}
)
IDLE = (
    "training.batch_size", "training.gamma_schedule", "training.n_steps",
    "training.discard_non_greedy_actions_in_nsteps", "training.oversample_long_term_steps",
    "training.oversample_maximum_term_steps", "environment.temporal_mini_race_duration_ms",
    "btr.use_munchausen", "btr.munchausen_alpha", "btr.munchausen_entropy_tau", "btr.munchausen_lo",
    "btr.noisy_sigma0", "nn.decoder.shared_input", "nn.iqn.embedding_dimension", "nn.iqn.n", "nn.iqn.k",
    "nn.iqn.kappa",
)  # fmt: skip
RULES: dict[str, Rule] = (
    {f"ppo.{key}": rule for key, rule in PPO.items()}
    | dict.fromkeys(IDLE, idle(OF_IQN))
    | {"btr.use_noisy_linear": absent("PPO explores by its policy, not by noise")}
)
# Where every key is one of IQN.
SECTIONS = (
    "nn.training.",
    "memory.",
    "exploration.",
    *(f"neural_network.{key}" for key in (*NETWORK, "iqn_")),
)
