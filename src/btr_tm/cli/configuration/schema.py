"""The nodes of a configuration that name no class: which values they hold, of which type."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Profile:
    """How big: all sizes, budgets and cadences. Frames are decisions of one car."""

    total_frames: int
    cars: int
    image_height: int
    image_width: int
    batch_size: int
    micro_batch: int  # samples that go through the network at once; changes memory, not results
    frames_per_update: int
    replay_capacity: int  # transitions
    warmup_frames: int  # driven before the first update
    log_every: int  # frames
    eval_every: int  # frames
    save_every: int  # frames
    eval_starts: int  # seeded starts besides the canonical one
    start_pool: int  # rendered starts that finished cars draw from
    race_ms: int  # race time after which a race is given up
    impala_model_size: float  # times 16, 32, 32 channels
    pool_size: int  # cells of the adaptive max-pool, each way
    head_hidden: int  # units of each dueling stream
    float_hidden: int
    cosines: int
    taus: int  # quantiles of the prediction, and of the target
    taus_act: int
    threads: int | Literal["auto"]
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    compile: Literal["eager", "traced", "compiled"]
    # Younger than the shipped driver, whose stored configuration lacks them:
    memory: list[Any] | None = None  # [frame, transitions held, transitions with which learning starts] steps
    probe_states: int = 256  # stored states on which the network is looked at
    probe_every: int = 0  # frames between two looks


@dataclass(frozen=True)
class Convention:
    """Which variant of a detail on which paper, reference code and published run differ."""

    n_step: int
    cut_at_non_greedy: bool
    first_cosine: int
    symmetric_taus: bool
    kappa: float
    loss_reduction: Literal["mean", "sum"]
    clip_norm: float
    weight_decay_ratio: float
    target_sync: Literal["hard", "soft"]
    noise: Literal["redraw_both", "share_with_acting"]
    noisy_last_value: Literal["noisy", "plain"]
    adam_eps: float
    spectral_where: Literal["residual", "all"]
    munchausen_alpha: float
    munchausen_entropy_tau: float
    munchausen_clip_min: float
    munchausen_clip_on: Literal["tau_log_pi", "log_pi"]
    munchausen_log_pi_from: Literal["online", "target"]
    # Younger than the shipped driver, whose stored configuration lacks them:
    truncated_discount: Literal["steps", "n"] = "steps"
    gamma_at: Literal["sampling", "insertion"] = "sampling"
    gamma_speed: Literal["unscaled", "scaled"] = "unscaled"
    finish: Literal["stored", "dropped"] = "stored"
    test_split: Literal["none", "contiguous", "per_transition"] = "none"
    credit: Literal["frames", "uses"] = "frames"
    priority: Literal["btr", "linesight"] = "btr"
    priority_alpha: float = 0.2
    is_exponent: float = 0.2
    importance: Literal["constant", "annealed"] = "constant"
    munchausen_nstep: Literal["first", "all"] = "first"
    max_over: Literal["mean", "quantile"] = "mean"
    exploration_draw: Literal["per_action", "per_block"] = "per_action"
    pixel_scaling: Literal["centred", "unit"] = "centred"
    activation: Literal["leaky_relu", "relu"] = "leaky_relu"
    weight_init: Literal["orthogonal", "torch"] = "orthogonal"
    noisy_bias_sigma: Literal["inputs", "outputs"] = "inputs"
    noise_draw: Literal["batch", "sample"] = "batch"
    clip_value: float = math.inf
    self_loss: Literal["none", "normalised"] = "none"
    target_hard_every: int = 500
    target_soft_every: int = 1
    target_soft_tau: float = 0.02
    target_buffers: Literal["follow", "own"] = "follow"
    reset: Literal["none", "partial"] = "none"
    rolling_start: Literal["first", "unfinished"] = "first"
    damper_std: float = 0.06
    float_indices: Literal["named", "fixed_for_5"] = "named"
    gates: Literal["none", "checkpoints"] = "none"
    speedslide_bonus: list[Any] | None = None
    neoslide_bonus: list[Any] | None = None
    kamikaze_bonus: list[Any] | None = None
    close_to_line_bonus: list[Any] | None = None


@dataclass(frozen=True)
class Schedule:
    """Values that change while frames are driven, each a node with a class; `speed` stretches the frames."""

    learning_rate: dict[str, Any]
    gamma: dict[str, Any]
    epsilon: dict[str, Any]
    epsilon_boltzmann: dict[str, Any]
    speed: float = 1.0
    memory: dict[str, Any] | None = None  # the shipped driver's configuration lacks it


@dataclass(frozen=True)
class Settings:
    """The top of a configuration: labels, plain nodes, and one node per group."""

    name: str
    seed: int
    device: str
    runs_dir: str
    on_existing: Literal["resume", "overwrite"]
    profile: Profile
    convention: Convention
    schedule: Schedule
    env: dict[str, Any]
    track: dict[str, Any]
    obs: dict[str, Any]
    reward: dict[str, Any]
    encoder: dict[str, Any]
    head: dict[str, Any]
    net: dict[str, Any]
    target: dict[str, Any]
    exploration: dict[str, Any]
    horizon: dict[str, Any]
    replay: dict[str, Any]
    optimizer: dict[str, Any]
    learner: dict[str, Any]
    collector: dict[str, Any]
    logger: dict[str, Any]
    alternatives: dict[str, Any]
    # Younger than the shipped driver, whose stored configuration lacks them:
    credit: dict[str, Any] | None = None
    parallel: dict[str, Any] | None = None
