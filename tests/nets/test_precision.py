"""Which numbers run through a network: their formats, their order in memory, their signs."""

from __future__ import annotations

import pytest
import torch

from btr_tm.nets.encoder.encoder import NoEncoder
from btr_tm.nets.encoder.impala import ImpalaBody
from btr_tm.nets.pixels import Centred, Unit

from .helpers import network, observations

FP32, BF16, FP16 = torch.float32, torch.bfloat16, torch.float16


@pytest.mark.parametrize(
    ("precision", "image", "products"), [("fp32", FP32, FP32), ("bf16", BF16, BF16), ("fp16", FP16, FP32)]
)
def test_each_precision_reaches_the_layers_it_names(precision, image, products) -> None:
    """bf16 the image encoder, the embedding and the hidden layers; fp16 the image encoder alone."""
    net, formats = network(precision=precision), {}

    def note(name: str):
        return lambda module, inputs, output: formats.update({name: output.dtype})

    parts = {"image": net.encoder, "floats": net.float_head, "fused": net.fusion}
    parts |= {"hidden": net.head.advantage[0], "value": net.head.value_out}
    for name, part in parts.items():
        part.register_forward_hook(note(name))
    net(observations(2), torch.rand(2, 4))
    assert formats == {"image": image, "floats": FP32, "fused": products, "hidden": products, "value": FP32}


def test_auto_is_decided_once_by_the_device_that_it_is_built_for(monkeypatch) -> None:
    """Asking the machine in a forward pass would break a compiled graph."""
    asked = []

    def native(device: str) -> bool:
        asked.append(device)
        return device == "cuda"

    monkeypatch.setattr("btr_tm.nets.precision._multiplies_bf16", native)
    nets = [network(precision="auto", device=torch.device(device)) for device in ("cuda", "cpu")]
    assert [net.precision for net in nets] == ["bf16", "fp32"] and asked == ["cuda", "cpu"]
    nets[0](observations(2), torch.rand(2, 4))
    assert asked == ["cuda", "cpu"]


def test_features_of_no_image_are_numbers() -> None:
    assert NoEncoder((1, 8, 8))(torch.zeros(3, 1, 8, 8, dtype=torch.uint8)).dtype == FP32


def test_features_of_impala_are_never_negative() -> None:
    features = network(body=ImpalaBody(0.25)).encoder(observations(4).image)
    assert features.min() == 0 and features.max() > 0


@pytest.mark.parametrize("pixels", [Centred(), Unit()])
def test_pixels_are_channels_last_in_memory(pixels) -> None:
    numbers = pixels(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    assert numbers.dtype == FP32 and numbers.is_contiguous(memory_format=torch.channels_last)
