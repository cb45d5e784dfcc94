"""The nodes of a configuration that name no class: which values they hold, of which type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Node = dict[str, Any]  # of a resolved configuration, for whose values OmegaConf gives no type


@dataclass(frozen=True)
class Profile:
    """How big: all sizes, budgets and cadences. Frames are decisions, summed over cars."""

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
    compile: Literal["auto", "eager", "kernel", "compiled"]
    replay_steps: list[object]  # [frame, transitions held, transitions with which learning starts] steps
    probe_states: int  # stored states on which the network is looked at
    probe_every: int  # frames between two looks


@dataclass(frozen=True)
class Convention:
    """Numbers and switches of details on which paper, reference code and published run differ."""

    n_step: int
    cut_at_non_greedy: bool
    first_cosine: int
    symmetric_taus: bool
    kappa: float
    loss_reduction: Literal["mean", "sum"]
    clip_norm: float
    weight_decay_ratio: float
    noisy_last_value: Literal["noisy", "plain"]
    adam_eps: float
    spectral_where: Literal["residual", "all"]
    munchausen_alpha: float
    munchausen_entropy_tau: float
    munchausen_clip_min: float
    munchausen_clip_on: Literal["tau_log_pi", "log_pi"]
    munchausen_log_pi_from: Literal["online", "target"]
    gamma_speed: float
    priority_alpha: float
    priority_beta: float
    munchausen_nstep: Literal["first", "all"]
    max_over: Literal["mean", "quantile"]
    exploration_draw: Literal["per_action", "per_block"]
    noisy_bias_sigma: Literal["inputs", "outputs"]
    noise_draw: Literal["batch", "sample"]
    clip_value: float
    target_hard_every: int
    target_soft_every: int
    target_soft_tau: float
    target_buffers: Literal["follow", "own"]
    rolling_start: Literal["first", "unfinished"]
    damper_std: float
    speedslide_bonus: list[object]
    neoslide_bonus: list[object]
    kamikaze_bonus: list[object]
    close_to_line_bonus: list[object]


@dataclass(frozen=True)
class Schedule:
    """Values that change while frames are driven, each a node with a class; `speed` stretches the frames."""

    learning_rate: Node | float
    gamma: Node | float
    epsilon: Node | float
    epsilon_boltzmann: Node | float
    speed: float


@dataclass(frozen=True)
class Settings:
    """The top of a configuration: labels, plain nodes, and one node per group."""

    name: str
    seed: int
    device: str
    runs_dir: str
    on_existing: Literal["resume", "overwrite"]
    init_from: str
    init_part: Literal["whole", "encoder"]
    demos: str
    plugins: list[str]
    profile: Profile
    convention: Convention
    schedule: Schedule
    env: Node
    track: Node
    obs: Node
    reward: Node
    encoder: Node
    head: Node
    net: Node
    fusion: Node
    value: Node
    target: Node
    exploration: Node
    horizon: Node
    replay: Node
    optimizer: Node
    learner: Node
    gates: Node
    float_lookup: Node
    pixels: Node
    activation: Node
    weight_init: Node
    importance: Node
    collector: Node
    logger: Node
    credit: Node
    parallel: Node
    eval: Node
    policy: Node
