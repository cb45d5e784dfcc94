"""Exploration with defaults for what a configuration always says."""

from __future__ import annotations

from btr_tm.core.schedule import Constant, Schedule
from btr_tm.exploration.epsilon_boltzmann import Draw, EpsilonBoltzmann
from btr_tm.exploration.noise import NoisyEpsilon

NEVER = Constant(0.0)


def exploring(
    epsilon: Schedule, epsilon_boltzmann: Schedule = NEVER, tau: float = 0.01, draw: Draw = "per_action"
) -> EpsilonBoltzmann:
    return EpsilonBoltzmann(epsilon, epsilon_boltzmann, tau, draw)


def noise_and(epsilon: Schedule) -> NoisyEpsilon:
    return NoisyEpsilon(epsilon, "per_action")
