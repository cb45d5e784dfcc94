"""The rule of the published TrackMania runs: noise if the head is noisy, else epsilon and Boltzmann."""

from __future__ import annotations

from btr_tm.core.schedule import Schedule
from btr_tm.exploration.epsilon_boltzmann import Draw, EpsilonBoltzmann
from btr_tm.exploration.noise import NoisyGreedy


def auto(
    noisy_head: bool,
    epsilon: Schedule,
    epsilon_boltzmann: Schedule,
    tau: float,
    draw: Draw,
) -> EpsilonBoltzmann | NoisyGreedy:
    """Choose once, when the network is known."""
    return NoisyGreedy() if noisy_head else EpsilonBoltzmann(epsilon, epsilon_boltzmann, tau, draw)
