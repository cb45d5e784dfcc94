"""Files of raw columns: what is written is read, and a read tensor may change without the file."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
import torch

from btr_tm.core.errors import DamagedFile
from btr_tm.replay.columns_file import Column, read, write

EMPTY, FEW, SOME = torch.zeros(0, 2), torch.tensor([True, False, True]), torch.arange(40).view(20, 2)


def stored(path: Path, *tensors: torch.Tensor) -> tuple[dict[str, Column], int]:
    """Written in two pieces each; returns the layout and the checksum."""
    named = {str(i): tensor for i, tensor in enumerate(tensors)}
    checksum = write(path, {name: [tensor[:2], tensor[2:]] for name, tensor in named.items()})
    return {name: Column(tensor.dtype, tuple(tensor.shape)) for name, tensor in named.items()}, checksum


@pytest.mark.parametrize(
    "tensors", [(FEW,), (SOME, FEW), (EMPTY, SOME), (SOME, EMPTY), (EMPTY,), (EMPTY, EMPTY), ()]
)
def test_what_is_written_is_read_each_column_at_a_multiple_of_64_bytes(tmp_path, tensors) -> None:
    layout = stored(tmp_path / "file", *tensors)
    for found, tensor in zip(read(tmp_path / "file", *layout).values(), tensors, strict=True):
        assert found.dtype == tensor.dtype and torch.equal(found, tensor)
    sizes = [tensor.numel() * tensor.element_size() for tensor in tensors]
    assert (tmp_path / "file").stat().st_size == sum(-(-size // 64) * 64 for size in sizes)


def test_a_tensor_that_was_read_may_change_and_the_file_does_not(tmp_path) -> None:
    layout = stored(tmp_path / "file", SOME)
    before = (tmp_path / "file").read_bytes()
    read(tmp_path / "file", *layout)["0"].zero_()
    assert (tmp_path / "file").read_bytes() == before


def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path) -> None:
    layout = stored(tmp_path / "file", SOME, FEW)  # 320 and 64 bytes
    (tmp_path / "file").write_bytes(bytes(383))
    with pytest.raises(DamagedFile, match="file has 383 bytes instead of 384"):
        read(tmp_path / "file", *layout)
    with pytest.raises(DamagedFile, match="none is missing"):
        read(tmp_path / "none", *layout)


def test_a_file_is_never_written_over(tmp_path) -> None:
    stored(tmp_path / "file", SOME)
    with pytest.raises(FileExistsError):
        stored(tmp_path / "file", FEW)


def test_any_one_bit_that_changes_is_noticed(tmp_path) -> None:
    layout = stored(tmp_path / "file", FEW, SOME)
    whole = (tmp_path / "file").read_bytes()
    assert layout[1] == zlib.crc32(whole)
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "file").write_bytes(damaged)
        with pytest.raises(DamagedFile, match="its checksum differs"):
            read(tmp_path / "file", *layout)
