"""Turns the leaves of a published configuration into a draft: key by key, then what several keys make."""

from __future__ import annotations

from collections.abc import Mapping

from btr_tm.cli.importing import keys, keys_ppo, keys_pretraining
from btr_tm.cli.importing.draft import Draft, Rule, Unmapped, Value, idle
from btr_tm.core.errors import UserError

USES = "memory.number_times_single_memory_is_used_before_discard"
CARS = 64  # of PPO at most; the published files say only how many decisions all games drive for an update
NEVER = 10**12  # frames after which the published files "reset"


def translate(leaves: Mapping[str, Value]) -> Draft:
    """Read every leaf by its rule; raises UserError for values that cannot be meant."""
    draft = Draft(dict(leaves), _learner(leaves))
    for path, value in leaves.items():
        verdict = _rule(draft.learner, path)(draft, path, value)
        if verdict is None:
            draft.mapped += 1
        else:
            draft.unmapped.append(Unmapped(path, value, *verdict))
    _batches(draft)
    _encoder(draft)
    if draft.learner == "ppo":
        _rollouts(draft)
    if draft.learner == "iqn":
        _uses(draft)
        _choices(draft)
        _resets(draft)
    if draft.learner != "pretraining":
        _betas(draft)
    return draft


def _learner(leaves: Mapping[str, Value]) -> str:
    """Ours that a file is for: pretraining has no sections, `training.algorithm` tells the others apart."""
    if "task" in leaves:
        return "pretraining"
    return "ppo" if leaves.get("training.algorithm") == "ppo" else "iqn"


def _rule(learner: str, path: str) -> Rule:
    if learner == "pretraining":
        return _found(path, keys_pretraining.RULES, keys_pretraining.PREFIXES)
    if learner == "iqn":
        return _found(path, keys.RULES, keys.PREFIXES)
    if path in keys.RULES and path.startswith(keys_ppo.SECTIONS):  # what is unknown there stays unknown
        return idle(keys_ppo.OF_IQN)
    prefixes = {prefix: rule for prefix, rule in keys.PREFIXES.items() if prefix != "ppo."}
    return _found(path, keys.RULES | keys_ppo.RULES, prefixes)


def _found(path: str, rules: Mapping[str, Rule], prefixes: Mapping[str, Rule]) -> Rule:
    if path in rules:
        return rules[path]
    prefix = next((prefix for prefix in prefixes if path.startswith(prefix)), None)
    return prefixes[prefix] if prefix else lambda *_: ("unknown", "not a key of the published layout")


def _batches(draft: Draft) -> None:
    """What follows from the batch size: how many rows go through the network at once."""
    batch = draft.values.get("profile", {}).get("batch_size", 4096)
    if batch < 1:
        name = "batch_size" if draft.learner == "pretraining" else "training.batch_size"
        raise UserError(f"{name} must be 1 or larger, got {batch}")
    draft.set(
        "profile", "micro_batch", max(part for part in range(1, min(batch, 256) + 1) if batch % part == 0)
    )


def _uses(draft: Draft) -> None:
    """What follows from the batch size and the uses of a transition."""
    batch = draft.values["profile"].get("batch_size", 4096)
    uses = draft.flag("uses", 32)
    if not 0 < uses < float("inf"):
        raise UserError(f"{USES} must be larger than 0, got {uses:g}")
    draft.set("profile", "frames_per_update", max(1, round(batch / uses)))
    every = draft.flag("target_every", 128)
    draft.set("preset", "convention.target_soft_every", max(1, round(every / batch)))


def _rollouts(draft: Draft) -> None:
    """As many decisions an update, of as many cars as a simulator drives well; a head without noise."""
    rollout = draft.flag("rollout", 2048)
    if rollout < 1:
        raise UserError(f"ppo.rollout_steps_per_update must be 1 or larger, got {rollout}")
    cars = min(CARS, rollout)
    draft.set("profile", "cars", cars)
    draft.set("replay", "steps", round(rollout / cars))
    draft.values.setdefault("schedule", {}).setdefault("gamma.points", [[0, 0.99]])
    draft.set("preset", "convention.gamma_speed", "${schedule.speed}")
    draft.choices["head"] = "ln" if draft.flag("layer_norm") else "plain"


def _encoder(draft: Draft) -> None:
    """The image encoder, which is named after several flags."""
    body, spectral = ("impala" if draft.flag("impala") else "cnn"), ("_sn" if draft.flag("spectral") else "")
    pool = "_pool" if draft.flag("pool") else ""
    draft.choices["encoder"] = f"{body}{spectral}{pool}" if draft.flag("image_head", True) else "none"


def _choices(draft: Draft) -> None:
    """Other groups that are named after several flags."""
    noisy, norm = draft.flag("noisy"), draft.flag("layer_norm")
    draft.choices |= {
        "head": {(0, 0): "plain", (0, 1): "ln", (1, 0): "noisy", (1, 1): "noisy_ln"}[bool(noisy), bool(norm)],
        "target": "munchausen" if draft.flag("munchausen") else "ddqn" if draft.flag("ddqn") else "max",
        "replay": "prioritized_linesight"
        if draft.values.get("preset", {}).get("convention.priority_alpha")
        else "uniform",
    }
    if draft.choices["replay"] == "uniform":
        draft.values.get("preset", {}).pop("convention.priority_alpha", None)
    draft.set("preset", "convention.gamma_speed", "${schedule.speed}" if _is_later(draft) else 1.0)


def _betas(draft: Draft) -> None:
    beta = {"adam_beta1": 0.9, "adam_beta2": 0.999} | draft.flags
    draft.set("optimizer", "betas", [beta["adam_beta1"], beta["adam_beta2"]])


def _is_later(draft: Draft) -> bool:
    """The loader that knows section `nn` stretches the discount too, the one before does not."""
    return any(path.startswith("nn.") and not path.startswith("nn.vis.cnn") for path in draft.leaves)


def _resets(draft: Draft) -> None:
    """Partial resets are on where they come up at all."""
    every = draft.flag("reset_every", NEVER)
    if every >= NEVER:
        return
    draft.choices["learner/reset"] = "partial"
    names = {"every_frames": every, "extra_uses": draft.flag("reset_extra", 1_600_000)}
    names |= {"share": draft.flag("reset_share", 0.01), "last_share": draft.flag("reset_last", 0.8)}
    for key, value in names.items():
        draft.set("learner/reset", key, value)
