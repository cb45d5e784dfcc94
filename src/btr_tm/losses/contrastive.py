"""Telling pairs apart: which of many pictures belongs to this one."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def similarities(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Cosine similarities (B, B) over `temperature` of rows of length 1, (B, D) each."""
    return first @ second.T / temperature


def info_nce(logits: Tensor) -> Tensor:
    """-log of the share of row i's own partner i among all partners, in both directions: (B, B) -> (B,).

    van den Oord et al. 2018, arXiv:1807.03748, equation 4; the mean over both directions as in CLIP (Radford
    et al. 2021, arXiv:2103.00020, figure 3). Nats; log B where nothing can be told apart.
    """
    own = torch.arange(len(logits), device=logits.device)
    forth = nn.functional.cross_entropy(logits, own, reduction="none")
    back = nn.functional.cross_entropy(logits.T, own, reduction="none")
    return (forth + back) / 2


def matched(logits: Tensor) -> Tensor:
    """The share (scalar) of rows to which their own partner is the most similar."""
    return (logits.argmax(1) == torch.arange(len(logits), device=logits.device)).float().mean()
