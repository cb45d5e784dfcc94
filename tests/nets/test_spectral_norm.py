"""The batched spectral norm against torch's own and against singular values."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import spectral_norm

from btr_tm.nets.encoder.conv import Conv, Residual
from btr_tm.nets.encoder.impala import ImpalaBody
from btr_tm.nets.encoder.norm import SpectrallyNormalised, SpectralNorm

from .helpers import CNN, initialised


def normalised(body: nn.Module, where: str = "all", seed: int = 0) -> SpectrallyNormalised:
    return initialised(SpectralNorm(where)(body), seed)


def singular_values(kernel: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svdvals(kernel.flatten(1).double())


def test_power_iteration_gives_the_worked_estimates() -> None:
    part = SpectralNorm("all")(nn.Sequential(Conv(2, 2, 1))).double()
    with torch.no_grad():
        part.body[0].weight.copy_(torch.tensor([[3.0, 0.0], [4.0, 5.0]]).view(2, 2, 1, 1))
        part.left_0.copy_(torch.tensor([[1.0, 0.0]]))
    matrix = part.body[0].weight.view(2, 2)
    estimates = []
    for _ in range(5):
        part.power_iteration()
        estimates.append((part.left_0[0] @ matrix @ part.right_0[0]).item())
    assert estimates == pytest.approx([5.0, 6.67174603, 6.70774957, 6.70819832, 6.70820386], abs=1e-8)
    (kernel,) = part.normalised().values()
    torch.testing.assert_close(
        singular_values(kernel), torch.tensor([1.0, 1 / 3], dtype=torch.float64), atol=1e-5, rtol=0.0
    )


def torch_twin(part: SpectrallyNormalised) -> nn.Module:
    """The same body under torch's spectral norm, starting from the same singular vectors.

    That norm works by hooks of the convolutions, so they are called one by one.
    """
    twin = nn.Sequential(*copy.deepcopy(part.body))
    for block in [module for module in twin if isinstance(module, Residual)]:
        block.forward = lambda x, block=block: x + block.second(block.first(x.relu()).relu())
    for index, group in enumerate(part._groups):
        for row, name in enumerate(group):
            module = twin.get_submodule(name.removesuffix(".weight"))
            spectral_norm(module)
            module.weight_u.copy_(part.get_buffer(f"left_{index}")[row])
            module.weight_v.copy_(part.get_buffer(f"right_{index}")[row])
    return twin


@pytest.mark.parametrize("where", ["residual", "all"])
def test_batched_norm_equals_torchs_over_several_training_steps(where: str) -> None:
    part = normalised(ImpalaBody(0.25)(1), where)
    twin = torch_twin(part)
    ours, theirs = (torch.optim.SGD(net.parameters(), 0.02) for net in (part, twin))
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        x = torch.randn(2, 1, 12, 12, generator=generator)
        part.power_iteration()
        output, reference = part(x), twin(x)
        torch.testing.assert_close(output, reference, atol=1e-5, rtol=1e-4)
        for optimizer, y in ((ours, output), (theirs, reference)):
            optimizer.zero_grad()
            y.tanh().mean().backward()
            optimizer.step()
    original = dict(twin.named_parameters())
    for name, parameter in part.body.named_parameters():
        reference = original.get(name, original.get(f"{name}_orig"))
        torch.testing.assert_close(parameter, reference, atol=1e-5, rtol=1e-3)


BUILT = [(ImpalaBody(2.0), "residual", 12), (ImpalaBody(0.5), "all", 15)]
BUILT += [(CNN, "all", 4), (CNN, "residual", 4)]


@pytest.mark.parametrize(("body", "where", "count"), BUILT)
def test_spectral_norm_is_one_at_build_and_on_fresh_copies(body, where: str, count: int) -> None:
    part = normalised(body(1), where)
    for network in (part, copy.deepcopy(part)):
        kernels = network.normalised()
        assert len(kernels) == count
        for kernel in kernels.values():
            assert singular_values(kernel.detach())[0].item() == pytest.approx(1.0, abs=1e-2)


def test_random_kernels_are_normalised_after_a_few_iterations() -> None:
    part = normalised(ImpalaBody(1.0)(1))
    with torch.no_grad():
        for parameter in part.body.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel()))
    part.power_iteration(200)
    for kernel in part.normalised().values():
        assert singular_values(kernel.detach())[0].item() == pytest.approx(1.0, abs=1e-2)


def test_only_residual_convolutions_are_normalised_in_the_papers_way() -> None:
    part = normalised(ImpalaBody(0.5)(1), "residual")
    blocks = [module for module in part.modules() if isinstance(module, Residual)]
    inside = {conv for block in blocks for conv in block.modules()}
    names = {name for name, m in part.body.named_modules() if isinstance(m, Conv) and m in inside}
    assert {name.removesuffix(".weight") for name in part.normalised()} == names
    assert len(names) == 12


def test_forward_passes_are_repeatable_and_iterate_nothing() -> None:
    part = normalised(ImpalaBody(0.25)(1))
    before = [buffer.clone() for buffer in part.buffers()]
    x = torch.ones(1, 1, 12, 12)
    assert torch.equal(part(x), part(x))
    assert all(torch.equal(old, new) for old, new in zip(before, part.buffers(), strict=True))


def test_zero_kernels_stay_zero() -> None:
    part = normalised(ImpalaBody(0.25)(1))
    with torch.no_grad():
        for parameter in part.body.parameters():
            parameter.zero_()
    part.power_iteration()
    assert (part(torch.ones(1, 1, 12, 12)) == 0).all()


def test_number_of_estimates_is_that_of_the_published_network() -> None:
    part = SpectralNorm("all")(ImpalaBody(2.0)(1))
    assert sum(buffer.numel() for buffer in part.buffers()) == 7433
