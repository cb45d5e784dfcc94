"""Munchausen's target with the paper's numbers."""

from __future__ import annotations

from typing import Any

from btr_tm.targets.munchausen import Munchausen

PAPER: dict[str, Any] = {
    "alpha": 0.9,
    "entropy_tau": 0.03,
    "clip_min": -1.0,
    "clip_on": "tau_log_pi",
    "log_pi_from": "online",
    "nstep": "first",
}


def munchausen(**options: Any) -> Munchausen:
    """`options` are arguments of Munchausen."""
    return Munchausen(**(PAPER | options))
