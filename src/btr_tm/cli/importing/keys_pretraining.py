"""What each key of the published configurations of visual pretraining is here; they have no sections."""

from __future__ import annotations

from btr_tm.cli.importing.draft import Draft, Kind, Rule, Value, always, choice, idle, into
from btr_tm.core.errors import UserError
from btr_tm.core.files import short

TASKS = {"ae": "reconstruction", "vae": "reconstruction", "simclr": "contrast"}
PIXELS = {"iqn": "centred", "01": "unit", "1": "unit"}  # 01 without quotes is the number 1 in YAML
FILES = "pictures are driven while it learns, no files are read"
RUN = "the run folder, the profile and the logger decide here"
NO_CLIP = 1e9  # published: 0
SPEED = "how fast it computes, not what"


def _task(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
    chosen = TASKS.get(str(value))
    if chosen is None:
        raise UserError(
            f"{path} must be {', '.join(TASKS)}, got {short(repr(value))}; other tasks cannot be imported"
        )
    draft.choices["net/objective"] = chosen
    return ("unsupported", "an auto-encoder without noise is taken for it") if value == "vae" else None


def _pixels(value: Value) -> str:
    return PIXELS[str(value)]


def _image_size(draft: Draft, path: str, value: Value) -> None:
    """One number for both sides."""
    for key in ("image_width", "image_height"):
        into("profile", key, int)(draft, path, value)


def _of_contrast(rule: Rule) -> Rule:
    def checked(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
        if draft.leaves.get("task") == "simclr":
            return rule(draft, path, value)
        return "no effect", "task: simclr alone reads it"

    return checked


def _clip_norm(value: Value) -> float:
    return float(value) or NO_CLIP


def _elsewhere(draft: Draft, path: str, value: Value) -> tuple[Kind, str]:
    return "unsupported", "encoder and size of the picture stand there; type encoder=, profile.image_width="


def _seed(draft: Draft, path: str, value: Value) -> tuple[Kind, str]:
    return "no effect", f"type seed={short(value)} for a run"


RULES: dict[str, Rule] = {
    "task": _task,
    "rl_config_path": _elsewhere,
    "image_size": _image_size,
    "image_normalization": choice("pixels", _pixels),
    "n_stack": always(1),
    "stack_mode": idle("pictures are not stacked here"),
    "epochs": idle("profile.total_frames says how long; every picture is a new one"),
    "batch_size": into("profile", "batch_size", int),
    "lr": into("schedule", "learning_rate.value", float),
    "grad_clip": into("preset", "convention.clip_norm", _clip_norm),
    "proj_dim": _of_contrast(into("net/objective", "part.size", int)),
    "temperature": _of_contrast(into("net/objective", "temperature", float)),
    "vae_latent": idle("an auto-encoder without noise has none"),
    "kl_weight": idle("an auto-encoder without noise has none"),
    "seed": _seed,
    "framework": idle(SPEED),
} | dict.fromkeys(
    ("data_dir", "preprocess_cache_dir", "cache_load_in_ram", "cache_build_workers", "workers", "pin_memory",
     "prefetch_factor", "val_fraction"), idle(FILES),
) | dict.fromkeys(("output_dir", "run_name", "use_tqdm"), idle(RUN))  # fmt: skip
PREFIXES: dict[str, Rule] = {"lightning.": idle(RUN)}
