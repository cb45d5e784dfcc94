"""How priorities are distributed."""

from __future__ import annotations

from torch import Tensor

QUANTILES = (0.1, 0.5, 0.75, 0.9, 0.98, 0.99)


def priority_statistics(leaves: Tensor, new: Tensor, beta: float) -> dict[str, Tensor | float]:
    """Figures on the priorities `leaves` that are not 0; nothing if all are. A host sync.

    `new` is what the next transition gets. `weight_min` is the smallest importance-sampling weight over the
    largest.
    """
    held = leaves[leaves > 0].sort().values
    if not len(held):
        return {}
    at = {share: held[int(share * (len(held) - 1))] for share in QUANTILES}
    found = {"min": held[0], "q10": at[0.1], "mean": held.mean(), "median": at[0.5], "q75": at[0.75]}
    found |= {"q90": at[0.9], "q98": at[0.98], "max": held[-1], "p99_p50": at[0.99] / at[0.5], "new": new}
    named: dict[str, Tensor | float] = {f"priority_{name}": value for name, value in found.items()}
    return named | {"weight_min": (held[0] / held[-1]) ** beta}
