"""From the state of every car's race to samples of metrics; NaN marks cars without a sample."""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.core.types import Races

UNFINISHED_S = 300.0  # what the published runs log for a race that did not finish: their time limit


def race_metrics(races: Races) -> dict[str, Tensor]:
    """Samples (E,) of the `race` section; only cars whose race ended at this decision contribute."""
    nan = torch.full_like(races.progress_m, float("nan"))
    from_start = races.done & races.from_start
    finished, driven_s = races.finished.to(nan.dtype), races.time_ms.to(nan.dtype) / 1000.0
    time_s = torch.where(from_start & races.finished, driven_s, nan)
    return {
        "races": races.done.to(nan.dtype),
        "finish_rate": torch.where(races.done, finished, nan),
        "time_s": time_s,
        "best_time_s": time_s,
        "progress_m": torch.where(from_start, races.progress_m, nan),
        "return": torch.where(races.done, races.reward, nan),
        "start_finish_rate": torch.where(from_start, finished, nan),
        "start_time_s": torch.where(from_start & ~races.finished, UNFINISHED_S, time_s),
    }
