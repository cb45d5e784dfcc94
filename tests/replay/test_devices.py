"""The same batches on an accelerator."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.tree import tree_map
from btr_tm.replay.buffer import Replay
from btr_tm.replay.sampler.uniform import Uniform

from .helpers import PRIORITIZED, SlowReplay, build_replay, drive
from .test_buffer import check_against
from .test_conventions import ALL, CARS, SAMPLERS, replay


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("sampler", [Uniform, PRIORITIZED])
def test_batches_on_cuda_equal_those_of_a_slow_replay_without_a_host_sync(sampler, tmp_path) -> None:
    def build() -> Replay:
        generator = torch.Generator("cuda").manual_seed(0)
        return build_replay(sampler=sampler, device="cuda", generator=generator)

    fast, slow = build(), SlowReplay(cars=3)
    for t in drive(60, 3, torch.Generator().manual_seed(0)):
        on_device = type(t)(
            *[type(x)(*[y.cuda() for y in x]) if isinstance(x, tuple) else x.cuda() for x in t]
        )
        torch.cuda.set_sync_debug_mode("error")
        fast.add(on_device)
        batch = fast.sample(16)
        fast.update_priorities(batch.index, batch.reward.abs())
        torch.cuda.set_sync_debug_mode("default")
        slow.add(t)
        host = type(batch)(
            *[type(x)(*[y.cpu() for y in x]) if isinstance(x, tuple) else x.cpu() for x in batch]
        )
        check_against(slow, host, 3, cut=False)
    restored = build()
    restored.load(tmp_path, fast.save(tmp_path))
    assert torch.equal(fast.sample(32).index, restored.sample(32).index)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_no_convention_waits_for_the_device(sampler) -> None:
    options = ALL | {"device": "cuda", "sampler": sampler, "generator": torch.Generator("cuda")}
    fast = replay(**options)
    for t in drive(60, CARS, torch.Generator().manual_seed(0)):
        on_device = tree_map(lambda leaf: leaf.cuda(), t)
        torch.cuda.set_sync_debug_mode("error")
        fast.add(on_device)
        batch = fast.sample(16)
        fast.update_priorities(batch.index, batch.reward.abs())
        fast.sample_test(16)
        torch.cuda.set_sync_debug_mode("default")
