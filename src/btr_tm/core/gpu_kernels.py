"""How libraries choose their kernels on a GPU: the same for a run and for what is measured."""

from __future__ import annotations

import torch


def choose_kernels(device: torch.device) -> None:
    """On a GPU, cuDNN times its ways to convolve and takes the fastest, in TF32 where it is given float32.

    Products of float32 matrices keep all digits (precision=fp32). What is fastest may differ from run to run,
    and the gradient of a max-pool whose windows overlap is summed in any order: runs on a GPU do not repeat
    to the bit.
    """
    if device.type == "cuda":
        cudnn = torch.backends.cudnn
        cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = True, False, True
        torch.backends.cuda.matmul.allow_tf32 = False
