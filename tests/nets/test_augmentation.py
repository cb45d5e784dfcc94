"""Changes of pictures, against what they say they do."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.nets.augmentation import Augmentation


def pictures(rows: int = 64) -> torch.Tensor:
    return torch.randint(
        0, 256, (rows, 2, 6, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_no_change_is_none() -> None:
    assert torch.equal(Augmentation(0, 0.0, 0.0)(pictures(), seeded()), pictures())


def test_each_picture_is_shifted_by_itself_over_a_repeated_border() -> None:
    image = pictures()
    found = Augmentation(1, 0.0, 0.0)(image, seeded())
    seen = set()
    for before, after in zip(image, found, strict=True):
        padded = torch.nn.functional.pad(before.float(), [1] * 4, mode="replicate").to(torch.uint8)
        fits = [
            (down, right)
            for down in range(3)
            for right in range(3)
            if torch.equal(padded[:, down : down + 6, right : right + 7], after)
        ]
        assert len(fits) == 1
        seen.update(fits)
    assert len(seen) == 9


def test_contrast_is_around_mid_grey_and_brightness_is_in_grey_levels() -> None:
    image = torch.full((256, 1, 2, 2), 128, dtype=torch.uint8)
    assert torch.equal(Augmentation(0, 0.5, 0.0)(image, seeded()), image)
    brighter = Augmentation(0, 0.0, 20.0)(image, seeded()).int() - 128
    assert int(brighter.max()) in (19, 20) and int(brighter.min()) in (-20, -19)
    steep = Augmentation(0, 0.5, 0.0)(image + 100, seeded()).int()
    assert int(steep.max()) == 255 and int(steep.min()) in (178, 179)


def test_negative_amounts_are_refused() -> None:
    with pytest.raises(UserError, match="shift of the augmentation must be 0 or larger, got -1"):
        Augmentation(-1, 0.0, 0.0)
