"""Running statistics of metrics that arrive together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from btr_tm.core.types import StateDict
from btr_tm.metrics.catalog import made_from, metric
from btr_tm.metrics.metric import QUANTILES

REDUCTIONS = ("sum", "count", "min", "max", "last", "bad")
KEPT = 4096  # newest samples that quantiles are taken over


class Section:
    """Running statistics of K metrics that always arrive together; NaN and infinity only count as bad."""

    def __init__(self, names: Sequence[str], device: torch.device) -> None:
        for name in names:
            metric(name)
        self.names = tuple(names)
        self.outputs = [(i, made) for i, name in enumerate(names) for made in made_from(name)]
        ordered = {i for i, made in self.outputs if made.reduction in QUANTILES}
        self.kept: dict[int, deque[Tensor]] = {i: deque(maxlen=KEPT) for i in ordered}
        zeros = torch.zeros(len(names), device=device)
        self.sum, self.count, self.bad = zeros, zeros, zeros
        self.min, self.max = zeros + torch.inf, zeros - torch.inf
        self.last = zeros + torch.nan

    def add(self, values: Tensor) -> None:
        """Take samples (K, n) without a host sync."""
        if self.sum.device != values.device:  # restored from a checkpoint, which is read to the CPU
            self.load_state_dict(self.state_dict(), values.device)
        valid = values.isfinite()
        self.sum = self.sum + torch.where(valid, values, 0.0).sum(1)
        self.count = self.count + valid.sum(1)
        self.bad = self.bad + (~valid).sum(1)
        self.min = torch.minimum(self.min, torch.where(valid, values, torch.inf).amin(1))
        self.max = torch.maximum(self.max, torch.where(valid, values, -torch.inf).amax(1))
        self.last = values[:, -1]
        for i, samples in self.kept.items():
            samples.append(values[i])

    def reduced(self) -> dict[str, Tensor]:
        """Scalars by the catalogue's reductions; not finite where no sample came."""
        pick = {"mean": self.sum / self.count, "sum": self.sum, "min": self.min, "max": self.max}
        pick["last"] = self.last
        row = {made.name: pick[made.reduction][i] for i, made in self.outputs if made.reduction in pick}
        for i, made in self.outputs:
            if made.reduction in QUANTILES:
                row[made.name] = _quantile(torch.cat([*self.kept[i]]), QUANTILES[made.reduction])
        return row

    def state_dict(self) -> StateDict:
        kept = {i: torch.cat([*samples]) for i, samples in self.kept.items()}
        return {"names": list(self.names), "kept": kept} | {key: getattr(self, key) for key in REDUCTIONS}

    def load_state_dict(self, state: StateDict, device: torch.device | None = None) -> None:
        device = device or self.sum.device
        for key in REDUCTIONS:
            setattr(self, key, state[key].to(device))
        for i, samples in state["kept"].items():
            self.kept[i] = deque(samples.to(device).split(1), maxlen=KEPT)


def _quantile(samples: Tensor, share: float) -> Tensor:
    """Over the finite ones."""
    return torch.where(samples.isfinite(), samples, torch.nan).nanquantile(share)
