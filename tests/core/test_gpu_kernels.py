"""What torch is told about a GPU, where there need not be one."""

from __future__ import annotations

import pytest
import torch

from btr_tm.benchmarks import floor
from btr_tm.cli.assembly import parts
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.gpu_kernels import choose_kernels
from btr_tm.core.protocols import Spec

CPU = torch.device("cpu")


def settings() -> tuple[bool, ...]:
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, products.allow_tf32


@pytest.fixture
def restored():
    before = settings()
    yield before
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, products.allow_tf32 = before


def test_convolutions_are_chosen_by_their_time_on_a_gpu_and_nothing_changes_elsewhere(restored) -> None:
    choose_kernels(CPU)
    assert settings() == restored
    choose_kernels(torch.device("cuda"))
    assert settings() == (True, False, True, False)


def test_a_run_and_the_benchmark_choose_alike(monkeypatch) -> None:
    chosen = []
    for module in (parts, floor):
        monkeypatch.setattr(module, "choose_kernels", lambda device, m=module: chosen.append((m, device)))
    values = checked(compose_job(["+experiment=quickstart", "profile=smoke"]).values)
    made = Parts(values, CPU)
    env = made.env(1, start_pool=1)
    made.net(Spec(env.image_shape, env.layout, env.actions))
    floor._replayed(lambda: None, CPU)
    assert chosen == [(parts, CPU), (floor, CPU)]
