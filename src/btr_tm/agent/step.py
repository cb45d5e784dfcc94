"""From gradients to parameters: clipping, optimizer, weight decay, and nothing if a number is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from btr_tm.agent.loss_scaling import Scaling
from btr_tm.core.types import StateDict


@dataclass(frozen=True)
class Apply:
    """Lets the optimizer step on `parameters` (P,), whose gradient is in place, or changes nothing."""

    optimizer: torch.optim.Optimizer
    parameters: nn.Parameter
    clip_norm: float
    clip_value: float

    def __call__(self, norm: Tensor, finite: Tensor) -> None:
        """`norm` () of the whole gradient before clipping, `finite` () bool: whether to step."""
        raise NotImplementedError


class GuardedStep:
    """Moves the parameters of `network`, or leaves them as they are if the gradient norm is not finite.

    The choice is made on the device, without a host sync. All parameters and gradients are laid out in one
    tensor each, of which the network's are views, so that every operation here is one kernel; the network
    must stay on its device from then on. `clip_norm` bounds the global gradient norm, then `clip_value` the
    size of each number in it (Linesight: 1000); after the step all parameters shrink by the share
    `weight_decay_ratio` * learning rate (decoupled, biases and norms included). `scaling` is built for the
    device; the gradient is divided by its scale first. An optimizer with fused=True does it all in one pass
    over memory.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        scaling: Callable[[torch.device], Scaling],
        clip_norm: float,
        clip_value: float,
        weight_decay_ratio: float,
    ) -> None:
        self.parameters = flatten_parameters(network)
        self.optimizer = optimizer([self.parameters])
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.weight_decay_ratio = weight_decay_ratio
        self.scaling = scaling(self.parameters.device)
        apply = ApplyFused if self.optimizer.defaults.get("fused") else ApplyOrRestore
        self._apply = apply(self.optimizer, self.parameters, clip_norm, clip_value)

    @property
    def gradient(self) -> Tensor:
        """(P,) accumulated by backward passes through the network since the last `clear`."""
        assert self.parameters.grad is not None
        return self.parameters.grad

    def clear(self) -> None:
        """Set all gradients to zero, in place."""
        self.gradient.zero_()

    @torch.no_grad()
    def __call__(self, learning_rate: float | Tensor) -> Tensor:
        """Returns the gradient norm before clipping. It is not finite if the update was refused, unless that
        was the fault of loss scaling: then it is the norm of the step before.

        A rate in a tensor () on the device may change inside a CUDA graph; only where `takes_tensor_rate`.
        """
        self.scaling.unscale(self.gradient)
        norm = torch.linalg.vector_norm(self.gradient)
        finite = torch.isfinite(norm)
        self.scaling.update(finite)
        self._set_rate(learning_rate)
        self._apply(norm, finite)
        if self.weight_decay_ratio:
            kept = 1.0 - self.weight_decay_ratio * learning_rate
            self.parameters.mul_(torch.where(finite, kept, 1.0))
        return self.scaling.logged_norm(norm)

    @property
    def takes_tensor_rate(self) -> bool:
        """Whether the optimizer can work in a CUDA graph: it is fused, or what torch calls capturable."""
        return bool(self.optimizer.defaults.get("fused")) or "capturable" in self.optimizer.defaults

    def _set_rate(self, rate: float | Tensor) -> None:
        """Steps are counted where the rate is known: on the device for a tensor, also after a load from a run
        that was made in the other way.
        """
        on_device = isinstance(rate, Tensor)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
            if group.get("capturable", on_device) != on_device:
                group["capturable"] = on_device
                place = self.parameters.device if on_device or group.get("fused") else torch.device("cpu")
                for state in self.optimizer.state.values():
                    state["step"] = state["step"].to(place)

    def state_dict(self) -> StateDict:
        return {"optimizer": self.optimizer.state_dict(), "scaling": self.scaling.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaling.load_state_dict(state["scaling"])


class ApplyFused(Apply):
    """For optimizers whose kernel divides the gradient and skips the step by itself, as under torch.amp."""

    def __call__(self, norm: Tensor, finite: Tensor) -> None:
        too_long = ((norm + 1e-6) / self.clip_norm).clamp_min(1.0)
        if math.isfinite(self.clip_value):
            gradient = self.parameters.grad
            assert gradient is not None
            gradient.div_(too_long).clamp_(-self.clip_value, self.clip_value)
            too_long = torch.ones_like(too_long)
        self.optimizer.grad_scale = too_long  # type: ignore[attr-defined]
        self.optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
        self.optimizer.step()


class ApplyOrRestore(Apply):
    """For every other optimizer: it steps on a gradient of zeros, and the parameters are put back.

    Its moments fade by one step, and it counts that step.
    """

    def __call__(self, norm: Tensor, finite: Tensor) -> None:
        gradient = self.parameters.grad
        assert gradient is not None
        clipped = gradient * (self.clip_norm / (norm + 1e-6)).clamp_max(1.0)
        clipped = clipped.clamp_(-self.clip_value, self.clip_value)
        gradient.copy_(torch.where(finite, clipped, 0.0))  # moments would keep a NaN for ever
        before = self.parameters.clone()
        self.optimizer.step()
        self.parameters.copy_(torch.where(finite, self.parameters, before))


def flatten_parameters(network: nn.Module) -> nn.Parameter:
    """One tensor (P,) with gradient; the trainable parameters of `network` become views of it, in order."""
    parts = [part for part in network.parameters() if part.requires_grad]
    flat = nn.Parameter(torch.cat([part.detach().flatten() for part in parts]))
    flat.grad = torch.zeros_like(flat)
    sizes = [part.numel() for part in parts]
    for part, values, gradient in zip(parts, flat.detach().split(sizes), flat.grad.split(sizes), strict=True):
        part.data = values.view_as(part)
        part.grad = gradient.view_as(part)  # backward adds to it in place
    return flat
