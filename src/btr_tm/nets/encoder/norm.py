"""Norms of convolution kernels: none, or spectral normalisation (Miyato et al. 2018, arXiv:1802.05957).

Equal to torch.nn.utils.parametrizations.spectral_norm kernel by kernel, but all kernels of one shape go
through each operation together, and the power iteration is called explicitly, once per update, instead of in
every forward pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from btr_tm.nets.builders import DrawWeights
from btr_tm.nets.encoder.conv import Conv, Residual
from btr_tm.nets.layers import Kept

_EPSILON = 1e-12  # zero kernels stay zero instead of NaN
_FIRST_ITERATIONS = 15  # as torch does at construction


@dataclass(frozen=True)
class NoKernelNorm:
    """Leaves the body as it is."""

    def __call__(self, body: nn.Module) -> nn.Module:
        return body


@dataclass(frozen=True)
class SpectralNorm:
    """Wraps a body so that it convolves with kernels of spectral norm 1.

    `where="residual"` (the paper) normalises the convolutions inside residual blocks, `"all"` (the published
    TrackMania runs) every one. A body without residual blocks is normalised everywhere.
    """

    where: Literal["residual", "all"]

    def __call__(self, body: nn.Module) -> nn.Module:
        blocks = [module for module in body.modules() if isinstance(module, Residual)]
        inside = {conv for block in blocks for conv in block.modules()}
        chosen = [
            f"{name}.weight"
            for name, module in body.named_modules()
            if isinstance(module, Conv) and (self.where == "all" or not inside or module in inside)
        ]
        return SpectrallyNormalised(body, chosen)


class SpectrallyNormalised(nn.Module):
    """Runs `body` with the kernels named in `names` divided by their largest singular value.

    A kernel (out, in, kh, kw) counts as the matrix (out, in * kh * kw). The buffers hold the current
    estimates of its singular vectors, one row per kernel, one pair of buffers per kernel shape.
    """

    def __init__(self, body: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.body = body
        kernels = dict(body.named_parameters())
        shapes = _by_shape({name: kernels[name] for name in names})
        self._groups = list(shapes.values())
        others = {name: each for name, each in kernels.items() if name not in names}
        self._others = list(_by_shape(others).values())
        self._memory, self._kept = Kept(), cast(dict[str, Tensor], {})
        for index, (shape, members) in enumerate(shapes.items()):
            self.register_buffer(f"left_{index}", torch.ones(len(members), shape[0]))
            self.register_buffer(f"right_{index}", torch.ones(len(members), shape[1:].numel()))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator, weights: DrawWeights) -> None:
        """Random vectors, then enough iterations for a first estimate; called after kernels are drawn."""
        for name, buffer in self.named_buffers(recurse=False):
            if name.startswith("left"):
                buffer.copy_(_unit(torch.randn(buffer.shape, generator=generator)))
        self.power_iteration(_FIRST_ITERATIONS)

    @torch.no_grad()
    def power_iteration(self, count: int = 1) -> None:
        """Improve the estimates for the present kernels, in place."""
        for index, kernels in enumerate(self._groups):
            left, right = self.get_buffer(f"left_{index}"), self.get_buffer(f"right_{index}")
            matrices = _matrices(kernels.values())
            for _ in range(count):
                right.copy_(_unit(torch.matmul(left[:, None, :], matrices)[:, 0]))
                left.copy_(_unit(torch.matmul(matrices, right[:, :, None])[:, :, 0]))

    def normalised(self) -> dict[str, Tensor]:
        """The kernels the body runs with, by name; differentiable, the singular vectors held constant."""
        return {
            name: kernel
            for kernels, stacked in zip(self._groups, self._stacked(), strict=True)
            for name, kernel in zip(kernels, stacked.unbind(), strict=True)
        }

    def _stacked(self) -> Iterator[Tensor]:
        """The normalised kernels of each shape: (G, out, in, kh, kw)."""
        for index, kernels in enumerate(self._groups):
            left, right = self.get_buffer(f"left_{index}"), self.get_buffer(f"right_{index}")
            matrices = _matrices(kernels.values())
            sigma = (left * torch.matmul(matrices, right[:, :, None])[:, :, 0]).sum(1)
            scaled = matrices / sigma.clamp_min(_EPSILON)[:, None, None]
            yield scaled.view(len(kernels), *next(iter(kernels.values())).shape)

    def _prepared(self, device: torch.device) -> dict[str, Tensor]:
        """What the body runs with, by name, in the format of autocast: cast shape by shape, not one by one.

        Kernels are channels last in memory, as the images are.
        """
        if not (torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)):
            return self.normalised()
        form = torch.get_autocast_dtype(device.type)
        with torch.autocast(device.type, enabled=False):  # a norm in bf16 would be wrong in the third digit
            groups = list(zip(self._groups, map(_channels_last, self._stacked()), strict=True))
        groups += [(others, torch.stack(list(others.values()))) for others in self._others]
        return {
            name: tensor
            for names, stacked in groups
            for name, tensor in zip(names, stacked.to(form).unbind(), strict=True)
        }

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """While this lasts, nobody changes the kernels: they are normalised once, without a gradient.

        To be entered under the autocast that holds for the forward passes.
        """
        with torch.no_grad():
            prepared = self._prepared(next(self.parameters()).device)
            self._kept = dict(zip(prepared, self._memory.store([*prepared.values()]), strict=True))
        try:
            yield
        finally:
            self._kept = {}

    def forward(self, x: Tensor) -> Tensor:
        return functional_call(self.body, self._kept or self._prepared(x.device), (x,))


def _by_shape(tensors: dict[str, nn.Parameter]) -> dict[torch.Size, dict[str, nn.Parameter]]:
    groups: dict[torch.Size, dict[str, nn.Parameter]] = defaultdict(dict)
    for name, tensor in tensors.items():
        groups[tensor.shape][name] = tensor
    return groups


def _channels_last(kernels: Tensor) -> Tensor:
    """(G, out, in, kh, kw), each of which is channels last in memory."""
    return kernels.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)


def _matrices(kernels: Iterable[Tensor]) -> Tensor:
    """(G, out, in * kh * kw)."""
    return torch.stack([kernel.flatten(1) for kernel in kernels])


def _unit(vectors: Tensor) -> Tensor:
    return nn.functional.normalize(vectors, dim=-1, eps=_EPSILON)
