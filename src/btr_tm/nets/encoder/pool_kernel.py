"""Max-pools of three by three pixels at every second one, and their gradients, as compiled loops.

Images are channels last in memory. A row of pixels is taken apart into its even and its odd columns; then
all nine pixels of a window lie at the same place of nine rows, and every inner loop goes over a whole row of
results: OW * C numbers, one beside the other, whatever the number of channels. `place` says which of the nine
pixels was the largest, 3 * row + column; of equal ones the first, as in torch. Where nobody needs places, the
maximum of three rows is followed by that of three columns, at every column, and the even ones are copied.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from btr_tm.core.half_floats import Numbers, narrowed, widened
from btr_tm.core.kernels import Floats, Number, allocating_kernel, part, reordered_part

Places = NDArray[np.uint8]
Words = NDArray[np.unsignedinteger] | Numbers

_LEAST = np.float32(-np.inf)


@allocating_kernel
def max_pool(x: Numbers, out: Numbers, place: Places) -> None:
    """(B, H, W, C) -> `out` and `place`, both (B, H / 2, W / 2, C); H and W are even."""
    channels, row = x.shape[3], out.shape[2] * x.shape[3]
    even = np.empty((3, row), np.float32)
    odd = np.full((3, channels + row), _LEAST)
    best, at = np.empty(row, np.float32), np.empty(row, np.float32)
    for image in range(len(x)):
        even[2], odd[2] = _LEAST, _LEAST  # above the image
        for y in range(out.shape[1]):
            even[0], odd[0] = even[2], odd[2]
            for below in range(2):
                _take_apart(x[image, 2 * y + below], even[1 + below], odd[1 + below, channels:])
            _largest(even, odd, channels, best, at)
            _store(best, at, out[image, y].reshape(-1), place[image, y].reshape(-1))


@allocating_kernel
def max_pool_values(x: Numbers, strip: Numbers, strip_words: Words, out: Words) -> None:
    """(B, H, W * C) -> the maxima (B, H / 2, W / 2, words of a pixel); H and W are even.

    `strip` (W * C,) is memory for those at all columns of a row, and `strip_words` (W, words of a pixel) the
    same memory: to copy word by word takes fewer steps than number by number.
    """
    channels = x.shape[2] // len(strip_words)
    tall = np.full(x.shape[2] + channels, _LEAST)  # begins with a column left of the image
    border = np.empty(x.shape[2], x.dtype)
    for i in range(len(border)):
        border[i] = narrowed(_LEAST, border[i])
    for image in range(len(x)):
        for y in range(out.shape[1]):
            above = border if y == 0 else x[image, 2 * y - 1]
            _largest_of_rows(above, x[image, 2 * y], x[image, 2 * y + 1], tall[channels:])
            _largest_of_columns(tall, channels, strip)
            _copy_even_columns(strip_words, out[image, y])


@allocating_kernel
def max_pool_gradient(gradient: Numbers, place: Places, out: Numbers) -> None:
    """From that of the results (B, H / 2, W / 2, C) to that of the pixels, `out` (B, H, W, C)."""
    channels, row = out.shape[3], gradient.shape[2] * out.shape[3]
    even = np.empty((3, row), np.float32)
    odd = np.empty((3, channels + row), np.float32)
    values = np.empty(row, np.float32)
    height = gradient.shape[1]
    for image in range(len(gradient)):
        even[:], odd[:] = np.float32(0), np.float32(0)
        for y in range(height):
            _widen(gradient[image, y].reshape(-1), values)
            _give_back(values, place[image, y].reshape(-1), even, odd, channels)
            if y > 0:
                _put_together(even[0], odd[0, channels:], out[image, 2 * y - 1])
            _put_together(even[1], odd[1, channels:], out[image, 2 * y])
            even[0], odd[0] = even[2], odd[2]
            even[1:], odd[1:] = np.float32(0), np.float32(0)
        _put_together(even[0], odd[0, channels:], out[image, 2 * height - 1])


@allocating_kernel
def pooled_convolution_gradient(
    x: Numbers, gradient: Numbers, place: Places, weight: Floats, bias: Floats
) -> None:
    """Of a convolution of one channel, three by three with padding, and the pool after it, in one.

    Adds to `weight` (C, 9) and `bias` (C,) their gradients, from the pixels `x` (B, H, W) and the gradient of
    what the pool gave. Only the pixels that were the largest count, a quarter at most.
    """
    _, height, width = x.shape
    padded = np.zeros((height + 2, width + 2), np.float32)
    seen = padded.reshape(-1)
    first = np.empty(9, np.uint64)  # of the nine pixels seen by each of the nine of a window
    for place_of in range(9):
        first[place_of] = (place_of // 3) * (width + 2) + place_of % 3
    for image in range(len(x)):
        for y in range(height):
            _widen(x[image, y], padded[y + 1, 1 : width + 1])
        for channel in range(len(bias)):
            bias[channel] += _add_gradient(
                seen,
                width + 2,
                first,
                gradient[image, :, :, channel],
                place[image, :, :, channel],
                weight[channel],
            )


@reordered_part
def _add_gradient(
    seen: Floats, across: int, first: NDArray[np.uint64], gradient: Numbers, place: Places, weight: Floats
) -> Number:
    """Of one channel of one image; returns the sum of its gradient."""
    total = np.float32(0)
    a = b = c = d = e = f = g = h = i = np.float32(0)
    for y in range(gradient.shape[0]):
        for x in range(gradient.shape[1]):
            value = widened(gradient[y, x])
            # A window begins one pixel before twice its place, and the border is one pixel wide.
            up = first[place[y, x]] + np.uint64(2 * y * across + 2 * x) - np.uint64(across + 1)
            middle, down = up + np.uint64(across), up + np.uint64(2 * across)
            total += value
            a += value * seen[up]
            b += value * seen[up + np.uint64(1)]
            c += value * seen[up + np.uint64(2)]
            d += value * seen[middle]
            e += value * seen[middle + np.uint64(1)]
            f += value * seen[middle + np.uint64(2)]
            g += value * seen[down]
            h += value * seen[down + np.uint64(1)]
            i += value * seen[down + np.uint64(2)]
    for k, sum_of in enumerate((a, b, c, d, e, f, g, h, i)):
        weight[k] += sum_of
    return total


@part
def _largest(even: Floats, odd: Floats, channels: int, best: Floats, at: Floats) -> None:
    """Of the nine pixels of each window of three rows; `odd` begins one pixel before the first window."""
    row = len(best)
    a0, b0, c0 = odd[0, :row], even[0], odd[0, channels:]
    a1, b1, c1 = odd[1, :row], even[1], odd[1, channels:]
    a2, b2, c2 = odd[2, :row], even[2], odd[2, channels:]
    for i in range(row):
        most, where = a0[i], np.float32(0)
        most, where = _larger(b0[i], np.float32(1), most, where)
        most, where = _larger(c0[i], np.float32(2), most, where)
        most, where = _larger(a1[i], np.float32(3), most, where)
        most, where = _larger(b1[i], np.float32(4), most, where)
        most, where = _larger(c1[i], np.float32(5), most, where)
        most, where = _larger(a2[i], np.float32(6), most, where)
        most, where = _larger(b2[i], np.float32(7), most, where)
        most, where = _larger(c2[i], np.float32(8), most, where)
        best[i], at[i] = most, where


@part
def _larger(value: Number, place: Number, most: Number, where: Number) -> tuple[Number, Number]:
    """`value` if it is larger or no number, with its place; else what was the largest before."""
    replaces = (value > most) | (value != value)  # noqa: PLR0124 # NaN, as in torch
    return (value if replaces else most), (place if replaces else where)


@part
def _largest_of_rows(a: Numbers, b: Numbers, c: Numbers, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = _larger_value(widened(c[i]), _larger_value(widened(b[i]), widened(a[i])))


@part
def _largest_of_columns(row: Floats, channels: int, out: Numbers) -> None:
    """Of every column of `row` but the first and the last, and its two neighbours."""
    count = len(row) - 2 * channels
    left, middle, right = row[:count], row[channels : channels + count], row[2 * channels :]
    for i in range(count):
        out[i] = narrowed(_larger_value(right[i], _larger_value(middle[i], left[i])), out[i])


@part
def _copy_even_columns(row: Words, out: Words) -> None:
    for x in range(out.shape[0]):
        for word in range(out.shape[1]):
            out[x, word] = row[2 * x, word]


@part
def _larger_value(value: Number, most: Number) -> Number:
    """As `_larger`, without its place."""
    return value if (value > most) | (value != value) else most  # noqa: PLR0124


@part
def _store(best: Floats, at: Floats, out: Numbers, place: Places) -> None:
    for i in range(len(best)):
        out[i] = narrowed(best[i], out[i])
        place[i] = np.uint8(at[i])


@part
def _take_apart(row: Numbers, even: Floats, odd: Floats) -> None:
    """(W, C) -> its even and its odd columns."""
    channels = row.shape[1]
    for x in range(row.shape[0] // 2):
        left, right = row[2 * x], row[2 * x + 1]
        evens, odds = even[x * channels : (x + 1) * channels], odd[x * channels : (x + 1) * channels]
        for channel in range(channels):
            evens[channel] = widened(left[channel])
            odds[channel] = widened(right[channel])


@part
def _put_together(even: Floats, odd: Floats, row: Numbers) -> None:
    """The opposite of `_take_apart`."""
    channels = row.shape[1]
    for x in range(row.shape[0] // 2):
        left, right = row[2 * x], row[2 * x + 1]
        evens, odds = even[x * channels : (x + 1) * channels], odd[x * channels : (x + 1) * channels]
        for channel in range(channels):
            left[channel] = narrowed(evens[channel], left[channel])
            right[channel] = narrowed(odds[channel], right[channel])


@part
def _widen(row: Numbers, values: Floats) -> None:
    for i in range(len(values)):
        values[i] = widened(row[i])


@part
def _give_back(gradient: Floats, place: Places, even: Floats, odd: Floats, channels: int) -> None:
    """Adds the gradient of each result to that of the pixel which was the largest."""
    row = len(gradient)
    for r in range(3):
        before, here, after = odd[r, :row], even[r], odd[r, channels:]
        for i in range(row):
            at = np.int32(place[i]) - np.int32(3 * r)
            before[i] += gradient[i] if at == 0 else np.float32(0)
        for i in range(row):
            at = np.int32(place[i]) - np.int32(3 * r)
            here[i] += gradient[i] if at == 1 else np.float32(0)
        for i in range(row):
            at = np.int32(place[i]) - np.int32(3 * r)
            after[i] += gradient[i] if at == 2 else np.float32(0)
