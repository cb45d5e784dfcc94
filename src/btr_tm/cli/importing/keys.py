"""What each key of the published configurations is here.

The layout is that of the TrackMania runs behind the A01 results. Sections `neural_network` (older) and `nn`
hold the same values; a key that is in none of these tables is reported as unknown. What is different for PPO
stands in keys_ppo.py; files of visual pretraining, which have a layout of their own, in keys_pretraining.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from btr_tm.cli.importing.draft import (
    Rule,
    Value,
    absent,
    always,
    choice,
    flag,
    idle,
    into,
    on_or_off,
    switch,
)
from btr_tm.cli.importing.rules import (
    algorithm,
    fusion_mode,
    keys_of_actions,
    line_statistics,
    maps,
    of_tokens,
    replay_steps,
    schedule,
    sigma0,
    token_layout,
)
from btr_tm.core.schedule import Exponential, Linear

GAME = "belongs to the real game"
RUN = "the run folder, the profile and the logger decide here"
SPEED = "how fast it computes, not what"
FROZEN = "parts cannot be frozen here"


def _half(value: Value) -> int:
    return int(value) // 2


def _gates(value: Value) -> str:
    return "checkpoints" if on_or_off(value) else "none"


NETWORK: dict[str, Rule] = {  # in `neural_network`, and in `nn.training` where it is about training
    "use_ddqn": switch("ddqn"),
    "clip_grad_value": into("preset", "convention.clip_value", float),
    "clip_grad_norm": into("preset", "convention.clip_norm", float),
    "number_memories_trained_on_between_target_network_updates": flag("target_every", int),
    "soft_update_tau": into("preset", "convention.target_soft_tau", float),
    "target_self_loss_clamp_ratio": into("learner/self_loss", "clamp_ratio", float),
    "single_reset_flag": idle("a switch that is turned while a run goes on"),
    "reset_every_n_frames_generated": flag("reset_every", int),
    "additional_transition_after_reset": flag("reset_extra", int),
    "last_layer_reset_factor": flag("reset_last", float),
    "overall_reset_mul_factor": flag("reset_share", float),
    "use_jit": idle(SPEED),
}
OLDER: dict[str, Rule] = {
    "w_downsized": into("profile", "image_width"),
    "h_downsized": into("profile", "image_height"),
    "float_hidden_dim": into("profile", "float_hidden"),
    "dense_hidden_dimension": into("profile", "head_hidden", _half),
    "iqn_embedding_dimension": into("profile", "cosines"),
    "iqn_n": into("profile", "taus"),
    "iqn_k": into("profile", "taus_act"),
    "iqn_kappa": into("preset", "convention.kappa", float),
    "use_iqn_image_head": switch("image_head"),
}
LATER: dict[str, Rule] = {
    "vis.image_size.width": into("profile", "image_width"),
    "vis.image_size.height": into("profile", "image_height"),
    "vis.use_image_head": switch("image_head"),
    "vis.no_image": flag("image_head", lambda value: not on_or_off(value)),
    "vis.freeze": absent(FROZEN),
    "float.freeze": absent(FROZEN),
    "float.mlp.hidden_dim": into("profile", "float_hidden"),
    "fusion_mode": fusion_mode,
    "init_from_pretrained": absent("name a run of ours, with init_from=RUN init_part=encoder"),
    "encoder": absent("other encoders are not built yet"),
    "iqn.embedding_dimension": into("profile", "cosines"),
    "iqn.n": into("profile", "taus"),
    "iqn.k": into("profile", "taus_act"),
    "iqn.kappa": into("preset", "convention.kappa", float),
    "decoder.shared_input": always("post_tau"),
    "decoder.dense_hidden_dimension": into("profile", "head_hidden", _half),
    "decoder.advantage.mlp.layers": always(1),
    "decoder.value.mlp.layers": always(1),
    "decoder.advantage.mlp.hidden_dim": absent("half of dense_hidden_dimension here"),
    "decoder.value.mlp.hidden_dim": absent("half of dense_hidden_dimension here"),
    "decoder.shared_trunk_freeze": absent(FROZEN),
    "decoder.advantage.freeze": absent(FROZEN),
    "decoder.value.freeze": absent(FROZEN),
}
CNN: dict[str, Rule] = {
    "use_impala_cnn": switch("impala"),
    "impala_model_size": into("profile", "impala_model_size"),
    "use_adaptive_maxpool": switch("pool"),
    "adaptive_maxpool_size": into("profile", "pool_size"),
    "use_spectral_norm": switch("spectral"),
}
BTR: dict[str, Rule] = {
    "use_munchausen": switch("munchausen"),
    "munchausen_alpha": into("preset", "convention.munchausen_alpha", float),
    "munchausen_entropy_tau": into("preset", "convention.munchausen_entropy_tau", float),
    "munchausen_lo": into("preset", "convention.munchausen_clip_min", float),
    "use_layer_norm": switch("layer_norm"),
    "use_noisy_linear": switch("noisy"),
    "noisy_sigma0": sigma0,
} | dict.fromkeys(CNN, idle("nn.vis.cnn says the same key, and wins"))
TOKENS: dict[str, Rule] = {
    "post_concat_layout": token_layout,
    "float_token_layout": of_tokens(always("dense")),
    "float_token_input": of_tokens(always("raw")),
    "transformer.d_model": of_tokens(into("fusion", "width", int)),
    "transformer.n_heads": of_tokens(into("fusion", "heads", int)),
    "transformer.n_layers": of_tokens(into("fusion", "layers", int)),
    "transformer.unified_float_tokens": of_tokens(into("fusion", "float_tokens", int)),
    "transformer.ff_mult": of_tokens(always(2)),
    "transformer.dropout": absent("there is no dropout here"),
    "transformer.use_hf_backbone": absent("no foreign network is loaded here"),
    "transformer.model_name_or_path": absent("no foreign network is loaded here"),
    "freeze": absent(FROZEN),
}
ENVIRONMENT: dict[str, Rule] = {
    "tm_engine_step_per_action": into("env", "ticks_per_action"),
    "ms_per_tm_engine_step": always(10),
    "n_zone_centers_in_inputs": into("obs", "line_points"),
    "one_every_n_zone_centers_in_inputs": into("obs", "point_step"),
    "n_zone_centers_extrapolate_after_end_of_map": always(1000),
    "n_zone_centers_extrapolate_before_start_of_map": always(20),
    "distance_between_checkpoints": always(0.5),
    "road_width": always(90),
    "temporal_mini_race_duration_ms": into("horizon", "duration_ms"),
    "margin_to_announce_finish_meters": always(700),
    "n_contact_material_physics_behavior_types": always(4),
    "n_prev_actions_in_inputs": into("obs", "previous_actions"),
    "cutoff_rollout_if_race_not_finished_within_duration_ms": into("profile", "race_ms"),
    "cutoff_rollout_if_no_vcp_passed_within_duration_ms": into("env", "cut_offs.no_progress_ms"),
    "deck_height": always("-inf", float("-inf")),
    "sync_virtual_and_real_checkpoints": choice("gates", _gates),
    "rl_action_offsets_ms": into("env", "action_offsets_ms", lambda value: list(value or [0])),
} | dict.fromkeys(
    ("timeout_during_run_ms", "timeout_between_runs_ms", "tmi_protection_timeout_s", "game_reboot_interval",
     "game_camera_number"), idle(GAME)
)  # fmt: skip
TRAINING: dict[str, Rule] = {
    "run_name": idle("the name of the file names the run"),
    "algorithm": algorithm,
    "batch_size": into("profile", "batch_size", int),
    "adam_epsilon": into("optimizer", "eps", float),
    "adam_beta1": flag("adam_beta1", float),
    "adam_beta2": flag("adam_beta2", float),
    "weight_decay_lr_ratio": into("preset", "convention.weight_decay_ratio", float),
    "global_schedule_speed": into("schedule", "speed", float),
    "lr_schedule": schedule("schedule", "learning_rate.points", Exponential),
    "gamma_schedule": schedule("schedule", "gamma.points", Linear),
    "n_steps": into("preset", "convention.n_step"),
    "discard_non_greedy_actions_in_nsteps": into("preset", "convention.cut_at_non_greedy"),
    "tensorboard_suffix_schedule": idle(RUN),
    "oversample_long_term_steps": into("horizon", "oversample_long"),
    "oversample_maximum_term_steps": into("horizon", "oversample_max"),
}
MEMORY: dict[str, Rule] = {
    "memory_size_schedule": replay_steps,
    "prio_alpha": into("preset", "convention.priority_alpha", float),
    "prio_epsilon": always(0.002),
    "prio_beta": always(1),
    "number_times_single_memory_is_used_before_discard": flag("uses", float),
    "buffer_test_ratio": always(0.05),
}
EXPLORATION: dict[str, Rule] = {
    "epsilon_schedule": schedule("schedule", "epsilon.points", Exponential),
    "epsilon_boltzmann_schedule": schedule("schedule", "epsilon_boltzmann.points", Exponential),
    "tau_epsilon_boltzmann": into("exploration", "tau", float),
    "multi_action_exploration": into("preset", "convention.exploration_draw"),
}
REWARDS: dict[str, Rule] = {
    "constant_reward_per_ms": into("reward", "per_ms", float),
    "reward_per_m_advanced_along_centerline": into("reward", "per_metre", float),
    "shaped_reward_dist_to_cur_vcp": into("reward", "potential_per_metre", float),
    "shaped_reward_min_dist_to_cur_vcp": into("reward", "nearest_m", float),
    "shaped_reward_max_dist_to_cur_vcp": into("reward", "farthest_m", float),
    "engineered_reward_min_dist_to_cur_vcp": into("reward", "bonuses.close_to_line.nearest_m", float),
    "engineered_reward_max_dist_to_cur_vcp": into("reward", "bonuses.close_to_line.farthest_m", float),
    "shaped_reward_point_to_vcp_ahead": into("reward", "potential_ahead", float),
    "engineered_speedslide_reward_schedule": schedule("preset", "convention.speedslide_bonus", Linear),
    "engineered_neoslide_reward_schedule": schedule("preset", "convention.neoslide_bonus", Linear),
    "engineered_kamikaze_reward_schedule": schedule("preset", "convention.kamikaze_bonus", Linear),
    "engineered_close_to_vcp_reward_schedule": schedule("preset", "convention.close_to_line_bonus", Linear),
    "final_speed_reward_as_if_duration_s": into("reward", "speed_as_s", float),
}
PERFORMANCE: dict[str, Rule] = {
    "apply_randomcrop_augmentation": absent("images are not cropped here"),
    "n_pixels_to_crop_on_each_side": idle("images are not cropped here"),
} | dict.fromkeys(
    ("gpu_collectors_count", "max_rollout_queue_size", "send_shared_network_every_n_batches",
     "update_inference_network_every_n_actions", "running_speed"),
    idle("collector and profile decide here how races are driven"),
) | dict.fromkeys(
    ("plot_race_time_left_curves", "n_transitions_to_plot_in_distribution_curves",
     "make_highest_prio_figures", "frames_before_save_best_runs", "threshold_to_save_all_runs_ms"), idle(RUN),
) | dict.fromkeys(
    ("force_window_focus_on_input", "pin_tm_forever_cpu_affinity", "tm_forever_cpu_affinity_offset",
     "tm_forever_cpu_affinity_cpus"), idle(GAME),
)  # fmt: skip
INPUTS: dict[str, Rule] = {
    "actions": keys_of_actions, "action_forward_idx": always(0), "action_backward_idx": always(6)
}  # fmt: skip

_SECTIONS: dict[str, Mapping[str, Rule]] = {
    "neural_network.": OLDER | NETWORK,
    "nn.": LATER,
    "nn.encoder.": TOKENS,
    "nn.training.": NETWORK,
    "nn.vis.cnn.": CNN,
    "btr.": BTR,
    "environment.": ENVIRONMENT,
    "training.": TRAINING,
    "memory.": MEMORY,
    "exploration.": EXPLORATION,
    "rewards.": REWARDS,
    "performance.": PERFORMANCE,
    "inputs.": INPUTS,
    "map_cycle.": {"entries": maps},
    "state_normalization.": {
        "waypoint_mean_40cp": line_statistics("mean"), "waypoint_std_40cp": line_statistics("std")
    },
}  # fmt: skip
RULES = {prefix + key: rule for prefix, rules in _SECTIONS.items() for key, rule in rules.items()}
# For keys without a rule of their own.
PREFIXES: dict[str, Rule] = {
    "ppo.": idle("training.algorithm is iqn"),
    "training.pretrain_": absent("name a run of ours, with init_from=RUN"),
    "nn.vis.transformer.": absent("no transformer reads the picture here"),
    "nn.encoder.": absent("other encoders are not built yet"),
    "nn.decoder.advantage.transformer.": absent("heads of transformers are not built yet"),
    "nn.decoder.value.transformer.": absent("heads of transformers are not built yet"),
}
