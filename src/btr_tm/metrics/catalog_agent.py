"""Metrics of the agent itself: its settings, its replay memory, and its network on the probe batch."""

from __future__ import annotations

from btr_tm.metrics.metric import Metric, Reduction


def _gradient_norm(kind: str, reduction: Reduction, words: str) -> Metric:
    return Metric(
        f"learner/grad_norm_{kind}",
        "norm",
        reduction,
        f"{words} of the gradient norms before clipping",
        f"Gradients/norm_{kind} Gradients/norm_before_clip_{kind}",
        of="learner/grad_norm",
    )


def _priority(kind: str, words: str, tag: str) -> Metric:
    return Metric(
        f"replay/priority_{kind}", "1", "last", f"{words} of the priorities", f"Buffer/priorities_{tag}"
    )


AGENT = (
    _gradient_norm("q1", "q25", "25 % quantile"),
    _gradient_norm("median", "median", "median"),
    _gradient_norm("q3", "q75", "75 % quantile"),
    _gradient_norm("d9", "q90", "90 % quantile"),
    _gradient_norm("d98", "q98", "98 % quantile"),
    _gradient_norm("max", "max", "largest"),
    # what schedules and settings come to at the row's frame
    Metric("settings/gamma", "1", "last", "discount per decision", "RL/gamma"),
    Metric("settings/epsilon", "share", "last", "chance of a random action", "RL/epsilon"),
    Metric(
        "settings/epsilon_boltzmann", "share", "last", "chance of a perturbed action", "RL/epsilon_boltzmann"
    ),
    Metric(
        "settings/boltzmann_tau",
        "reward",
        "last",
        "standard deviation of that perturbation",
        "RL/tau_epsilon_boltzmann",
    ),
    Metric(
        "settings/weight_decay",
        "1",
        "last",
        "share by which an update shrinks the weights",
        "Training/weight_decay",
    ),
    Metric("settings/batch_size", "1", "last", "transitions per update", "Training/batch_size"),
    Metric("settings/n_step", "1", "last", "decisions per return", "Training/n_steps"),
    Metric(
        "settings/cut_at_non_greedy",
        "share",
        "last",
        "1 if returns end at exploring actions, else 0",
        "Training/discard_non_greedy_actions_in_nsteps",
    ),
    Metric(
        "settings/uses_per_transition",
        "1",
        "last",
        "how often a transition is learnt from on average",
        "Buffer/number_times_single_memory_is_used_before_discard",
    ),
    # replay
    Metric(
        "replay/size",
        "1",
        "last",
        "transitions held; the oldest was driven about as many frames ago, the mean half as many",
        "Buffer/size",
    ),
    Metric("replay/age", "frames", "last", "mean number of frames driven since what a batch holds was"),
    Metric("replay/capacity", "1", "last", "transitions that fit", "Buffer/max_size"),
    Metric(
        "replay/samples_used",
        "1",
        "last",
        "transitions learnt from so far, repetitions counted",
        "cumul_number_single_memories_used",
    ),
    Metric(
        "replay/samples_due",
        "1",
        "last",
        "the same if every frame paid: those before learning begins and those of test batches too",
        "cumul_number_single_memories_should_have_been_used",
    ),
    _priority("min", "smallest", "min"),
    _priority("q10", "10 % quantile", "q1"),
    _priority("mean", "mean", "mean"),
    _priority("median", "median", "median"),
    _priority("q75", "75 % quantile", "q3"),
    _priority("q90", "90 % quantile", "d9"),
    _priority("q98", "98 % quantile", "c98"),
    _priority("max", "largest", "max"),
    Metric("replay/priority_p99_p50", "ratio", "last", "99 % quantile of the priorities over their median"),
    Metric("replay/priority_new", "1", "last", "priority that the next transition gets"),
    Metric("replay/weight_min", "1", "last", "smallest importance weight over the largest, of all held"),
    # the greedy policy on the probe batch
    Metric("policy/churn", "share", "last", "probe states whose best action one update changed"),
    Metric(
        "policy/churn_redrawn",
        "share",
        "last",
        "the same with fractions redrawn for either look, as BTR's code measures it",
    ),
    Metric("policy/churn_redrawn_null", "share", "last", "what redrawn fractions change without an update"),
    Metric("policy/action_gap", "reward", "last", "lead of the best action's Q over the second-best"),
    Metric("policy/q_mean", "reward", "last", "mean Q over states and actions, not by priority"),
    Metric("policy/q_max", "reward", "last", "mean Q of the best action, not by priority"),
    Metric("policy/entropy", "nats", "last", "entropy of the softmax policy, Munchausen"),
    Metric("policy/bonus_mean", "reward", "last", "mean Munchausen bonus of the actions taken"),
    Metric("policy/bonus_clipped", "share", "last", "share of those bonuses cut at their lower bound"),
    Metric(
        "policy/quantile_std.{action}",
        "reward",
        "last",
        "spread of an action's quantiles at 32 fractions from 0.05 to 0.95, mean over states",
        "IQN/quantile_std_action_{action}",
    ),
    # what the network can still learn with
    Metric(
        "plasticity/dormant_0_1.{part}",
        "share",
        "last",
        "activation units whose mean size is at most 0.1 of their layer's",
    ),
    Metric("plasticity/dormant_0_025.{part}", "share", "last", "the same at 0.025"),
    Metric("plasticity/dormant_0.{part}", "share", "last", "activation units that are always 0"),
    Metric(
        "plasticity/srank", "1", "last", "singular values that make up 99 % of the sum, last hidden layer"
    ),
    Metric("plasticity/effective_rank", "1", "last", "exp of the entropy of those singular values"),
    Metric("plasticity/rank_limit", "1", "last", "how many singular values there are"),
    # weights
    Metric("weights/l2_mean", "norm", "last", "mean L2 norm of the tensors called weight"),
    Metric("weights/l2.{tensor}", "norm", "last", "L2 norm; under spectral norm of the raw kernel"),
    Metric("weights/rms.{tensor}", "1", "last", "root mean square", "Network/weights/{tensor}/L2"),
    Metric("spectral/sigma_raw.{kernel}", "1", "last", "largest singular value before spectral norm"),
    Metric("spectral/sigma_normalised_max", "1", "last", "largest after spectral norm, should be 1"),
    Metric("spectral/sigma_normalised_min", "1", "last", "smallest of those, should be 1"),
    Metric("noisy/sigma_abs_mean.{layer}", "1", "last", "mean absolute sigma of the weights"),
    Metric("noisy/sigma_negative.{layer}", "share", "last", "share of sigmas below 0"),
    # the probed update
    Metric("optimizer/step_relative", "ratio", "last", "norm of the update over the norm of all parameters"),
    Metric(
        "optimizer/adaptive_rate.{tensor}",
        "1",
        "last",
        "root mean square of 1 / (sqrt(exp_avg_sq) + 1e-4)",
        "Network/optimizer/{tensor}/adaptive_lr_L2",
    ),
    Metric(
        "optimizer/exp_avg.{tensor}",
        "1",
        "last",
        "root mean square of the first moment",
        "Network/optimizer/{tensor}/exp_avg_L2",
    ),
    Metric(
        "optimizer/exp_avg_sq.{tensor}",
        "1",
        "last",
        "root mean square of the second moment",
        "Network/optimizer/{tensor}/exp_avg_sq_L2",
    ),
    Metric(
        "optimizer/target_syncs", "1", "last", "target updates so far", "cumul_number_target_network_updates"
    ),
    Metric(
        "gradients/l2.{tensor}",
        "norm",
        "last",
        "L2 norm of the clipped gradient of that one update",
        "Gradients/by_layer/{tensor}/L2_median",
    ),
    Metric(
        "gradients/max.{tensor}",
        "1",
        "last",
        "largest absolute value of that gradient",
        "Gradients/by_layer/{tensor}/Linf_max",
    ),
)
