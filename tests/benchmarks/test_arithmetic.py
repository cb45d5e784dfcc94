"""Multiplications by formula against the published layer sizes, and against torch's own counter."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from btr_tm.benchmarks.arithmetic import Conv, Sizes, forward_flops, update_flops
from btr_tm.benchmarks.conventional_net import ConventionalNet

SMALL = Sizes((1, 64, 64), 12)
ATARI = Sizes((4, 84, 84), 12)


@pytest.mark.parametrize(
    ("sizes", "millions"),
    [
        (ATARI, (8.13, 65.0, 32.5, 65.0, 16.3, 17.8)),
        (SMALL, (1.18, 37.7, 18.9, 37.7, 9.4, 9.4)),
        (Sizes((4, 75, 140), 12), (12.1, 98.1, 49.0, 98.1, 24.5, 26.5)),
    ],
)
def test_stages_cost_what_was_worked_out_by_hand(sizes: Sizes, millions: tuple[float, ...]) -> None:
    convs = [layer.macs / 1e6 for layer in sizes.layers if isinstance(layer, Conv)]
    assert convs == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize(
    ("sizes", "forward", "shared", "separate", "acting"),
    [(ATARI, 0.450, 456, 572, 27.6), (SMALL, 0.269, 275, 344, 16.0)],
)
def test_an_update_of_256_and_a_look_of_64_cars(
    sizes: Sizes, forward: float, shared: float, separate: float, acting: float
) -> None:
    assert forward_flops(sizes.layers) / 1e9 == pytest.approx(forward, rel=0.003)
    assert 256 * update_flops(sizes.layers) / 1e9 == pytest.approx(shared, rel=0.003)
    assert 256 * update_flops(sizes.layers, more_forwards=1) / 1e9 == pytest.approx(separate, rel=0.003)
    assert 64 * forward_flops(sizes.acting_layers) / 1e9 == pytest.approx(acting, rel=0.003)


def test_torch_counts_the_same_forward_and_backward() -> None:
    sizes = Sizes((2, 23, 20), 5, model_size=0.5, pool=2, hidden=16, taus=4, cosines=8)
    net = ConventionalNet(sizes.image_shape, 5, 0.5, 2, 16, 8)
    images = torch.zeros(3, *sizes.image_shape, dtype=torch.uint8)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        net.eval()(images, torch.rand(3, 4))
    assert forward.get_total_flops() == pytest.approx(3 * forward_flops(sizes.layers), rel=0.02)
    with FlopCounterMode(display=False) as both:
        net(images, torch.rand(3, 4)).sum().backward()
        with torch.no_grad():
            net(images, torch.rand(3, 4))
    assert both.get_total_flops() == pytest.approx(3 * update_flops(sizes.layers), rel=0.03)
