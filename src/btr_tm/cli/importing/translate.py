"""Turns the leaves of a published configuration into a draft: key by key, then what several keys make."""

from __future__ import annotations

from collections.abc import Mapping

from btr_tm.cli.importing.draft import Draft, Rule, Unmapped, Value
from btr_tm.cli.importing.keys import PREFIXES, RULES
from btr_tm.core.errors import UserError

USES = "memory.number_times_single_memory_is_used_before_discard"
NEVER = 10**12  # frames after which the published files "reset"


def translate(leaves: Mapping[str, Value]) -> Draft:
    """Read every leaf by its rule; raises UserError for values that cannot be meant."""
    draft = Draft(dict(leaves))
    for path, value in leaves.items():
        verdict = _rule(path)(draft, path, value)
        if verdict is None:
            draft.mapped += 1
        else:
            draft.unmapped.append(Unmapped(path, value, *verdict))
    _sizes(draft)
    _choices(draft)
    _resets(draft)
    return draft


def _rule(path: str) -> Rule:
    if path in RULES:
        return RULES[path]
    prefix = next((prefix for prefix in PREFIXES if path.startswith(prefix)), None)
    return PREFIXES[prefix] if prefix else lambda *_: ("unknown", "not a key of the published layout")


def _sizes(draft: Draft) -> None:
    """What follows from the batch size and the uses of a transition."""
    profile = draft.values.get("profile", {})
    batch = profile.get("batch_size", 4096)
    if batch < 1:
        raise UserError(f"training.batch_size must be 1 or larger, got {batch}")
    draft.set(
        "profile", "micro_batch", max(part for part in range(1, min(batch, 256) + 1) if batch % part == 0)
    )
    uses = draft.flag("uses", 32)
    if not 0 < uses < float("inf"):
        raise UserError(f"{USES} must be larger than 0, got {uses:g}")
    draft.set("profile", "frames_per_update", max(1, round(batch / uses)))
    every = draft.flag("target_every", 128)
    draft.set("preset", "convention.target_soft_every", max(1, round(every / batch)))


def _choices(draft: Draft) -> None:
    """Groups that are named after several flags."""
    noisy, norm = draft.flag("noisy"), draft.flag("layer_norm")
    body, spectral = ("impala" if draft.flag("impala") else "cnn"), ("_sn" if draft.flag("spectral") else "")
    pool = "_pool" if draft.flag("pool") else ""
    draft.choices |= {
        "encoder": f"{body}{spectral}{pool}" if draft.flag("image_head", True) else "none",
        "head": {(0, 0): "plain", (0, 1): "ln", (1, 0): "noisy", (1, 1): "noisy_ln"}[bool(noisy), bool(norm)],
        "target": "munchausen" if draft.flag("munchausen") else "ddqn" if draft.flag("ddqn") else "max",
        "replay": "prioritized_linesight"
        if draft.values.get("preset", {}).get("convention.priority_alpha")
        else "uniform",
    }
    if draft.choices["replay"] == "uniform":
        draft.values.get("preset", {}).pop("convention.priority_alpha", None)
    beta = {"adam_beta1": 0.9, "adam_beta2": 0.999} | draft.flags
    draft.set("optimizer", "betas", [beta["adam_beta1"], beta["adam_beta2"]])
    draft.set("preset", "convention.gamma_speed", "${schedule.speed}" if _is_later(draft) else 1.0)


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
