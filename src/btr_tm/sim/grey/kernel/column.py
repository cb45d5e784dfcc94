"""One upright column of a picture: the road from near to far, the fence, what lies beyond, and a gate."""

from __future__ import annotations

import numpy as np

from btr_tm.core.kernels import HALF, ONE, ZERO, Floats, reordered_part
from btr_tm.sim.grey.kernel.layout import (
    ARC,
    BEAM_HIGH_M,
    BEAM_LOW_M,
    CHUNK,
    DROP,
    FENCE_DARK,
    FENCE_LIGHT,
    FENCE_M,
    FENCE_TOP,
    FOG,
    FREE,
    GATE_NEAREST_M,
    HIDING,
    LAND,
    MIDDLE_TEXEL,
    NEAR,
    NEAR_M,
    NOWHERE,
    PANEL,
    PATCH_PLACES,
    PER_GRAIN_SQUARE,
    PLACE,
    PLACES,
    POST_M,
    ROW,
    SIDE_DROP,
    SIDE_X,
    SIDE_Z,
    SKY,
    STEEPEST,
    STRIPS,
    TEXELS,
    TINY,
    WALL,
    Bytes,
    Canvas,
    F,
    Gate,
    Grain,
    Picture,
    Tables,
    View,
    X,
    Z,
    clip,
    fogged,
    row_at,
)
from btr_tm.sim.track.ribbon import CHECKPOINT_GATE, FINISH_GATE


@reordered_part
def paint_beyond(size: Picture, view: View, back: Floats) -> None:
    """Sky and far land (H,), as `Camera._beyond`."""
    for pixel in range(size.height):
        above = (view.horizon - (F(pixel) + HALF)) / F(size.height)
        if above > ZERO:
            back[pixel] = SKY + (FOG - SKY) / (ONE + F(5) * above)
        else:
            back[pixel] = FOG + (LAND - FOG) * min(F(-2) * above, ONE)


@reordered_part
def paint_ground(
    column: int, tables: Tables, size: Picture, horizon: np.float32, gate: Gate, grain: Grain, canvas: Canvas
) -> None:
    """One column of the ground, near to far, up to the fence; notes where it ends and what stands there."""
    slope, ahead, chain, edges = tables.slope[column], canvas.ahead, canvas.chain, canvas.edges
    known, last = 0, -1
    while last < 0 and known < ahead.shape[1]:
        end = min(known + CHUNK, ahead.shape[1])
        last = _cut(slope, size.focal_y, horizon, ahead, chain, known, end)
        known = end
    edges[HIDING, column] = _nearest_row(size, horizon, gate, slope, ahead, chain, known)
    edges[FENCE_TOP, column], edges[PANEL, column] = NOWHERE, ZERO
    if last >= 0:
        edges[FENCE_TOP, column], edges[PANEL, column] = _stand_fence(
            size.focal_y, horizon, ahead, chain, last
        )
    else:
        last = known - 1
    _draw_lines(chain, canvas.lines, last)
    free = _lay_strips(size, last, canvas)
    _paint_strips(column, tables.texture, free, grain, canvas)
    edges[FREE, column] = F(free)


@reordered_part
def _lay_strips(size: Picture, last: int, canvas: Canvas) -> int:
    """Notes which of the strips 1 to `last` each row shows; how many rows above them are free."""
    chain, free = canvas.chain, size.height
    for k in range(1, last + 1):
        # A car fallen below the road sees sample 0, painted as a part of the first strip.
        upper = min(chain[ROW, 0], chain[ROW, 1]) if k == 1 else chain[ROW, k]
        if upper <= F(free) - HALF:
            first = int(np.ceil(max(upper - HALF, F(-1))))
            first = first if first > size.top else size.top
            for row in range(first, free):
                canvas.strip[row] = np.uint64(k)
            free = first if first < free else free
            if free <= size.top:
                break
    return free


@reordered_part
def paint_behind(size: Picture, canvas: Canvas) -> None:
    """Fence, sky and far land above the ground of all columns, row by row: all of it becomes vectors."""
    edges, grey, most = canvas.edges, canvas.grey, ZERO
    for column in range(size.width):
        most = max(most, edges[FREE, column])
    for pixel in range(int(most)):
        beyond, row = canvas.back[pixel], F(pixel)
        for column in range(size.width):
            cover = clip(row + ONE - edges[FENCE_TOP, column], ZERO, ONE)
            behind = beyond + cover * (edges[PANEL, column] - beyond)
            grey[pixel, column] = behind if row < edges[FREE, column] else grey[pixel, column]


@reordered_part
def _cut(
    slope: np.float32,
    focal_y: np.float32,
    horizon: np.float32,
    ahead: Floats,
    chain: Floats,
    begin: int,
    end: int,
) -> int:
    """As `Columns.cut`, the samples `begin` to `end` of one column; the first beyond the fence, or -1.

    The first loop has no branches, so that it becomes vectors.
    """
    side_x0, side_z0 = ahead[SIDE_X, 0], ahead[SIDE_Z, 0]
    square = side_x0 * side_x0 + side_z0 * side_z0
    under = -(ahead[X, 0] * side_x0 + ahead[Z, 0] * side_z0) / square
    least = STEEPEST * np.sqrt(square * (ONE + slope * slope))
    if side_x0 - slope * side_z0 < least:  # as Columns.bent
        slope = (side_x0 - least) / (F(1e-3) if abs(side_z0) < F(1e-3) else side_z0)
    for k in range(begin, end):
        across = ahead[SIDE_X, k] - slope * ahead[SIDE_Z, k]
        place = (slope * ahead[Z, k] - ahead[X, k]) / (F(0.05) if across < F(0.05) else across)
        depth = ahead[Z, k] + place * ahead[SIDE_Z, k]
        passed = depth < NEAR_M or k == 0  # sample 0 is the point under the eye
        place = under if passed else place
        near = ONE / (NEAR_M if passed else depth)
        chain[ROW, k] = focal_y * (ahead[DROP, k] + place * ahead[SIDE_DROP, k]) * near + horizon
        chain[NEAR, k] = near
        chain[PLACE, k] = place
    for k in range(max(begin, 1), end):
        aside = abs(chain[PLACE, k])
        if aside > ahead[WALL, k] and aside > abs(chain[PLACE, k - 1]):
            return k
    return -1


@reordered_part
def _draw_lines(chain: Floats, lines: Floats, last: int) -> None:
    """Of the strips 1 to `last`: nearness and texel * nearness at row 0, and by how much they grow per row.

    Perspective: along a strip not the place but nearness and place * nearness are linear in the row.
    """
    for k in range(1, last + 1):
        texel0 = (chain[PLACE, k - 1] * TEXELS + MIDDLE_TEXEL) * chain[NEAR, k - 1]
        texel1 = (chain[PLACE, k] * TEXELS + MIDDLE_TEXEL) * chain[NEAR, k]
        rows = chain[ROW, k] - chain[ROW, k - 1]
        per_row = ONE / (-TINY if rows > -TINY else rows)
        tilt, drift = (chain[NEAR, k] - chain[NEAR, k - 1]) * per_row, (texel1 - texel0) * per_row
        lines[0, k] = chain[NEAR, k] - tilt * chain[ROW, k]
        lines[1, k] = tilt
        lines[2, k] = texel1 - drift * chain[ROW, k]
        lines[3, k] = drift


@reordered_part
def _paint_strips(column: int, texture: Bytes, free: int, grain: Grain, canvas: Canvas) -> None:
    """The rows of one column from `free` on, each with its strip."""
    lines, strip, starts, grey = canvas.lines, canvas.strip, canvas.rows_of, canvas.grey
    for row in range(free, len(strip)):
        k, middle = strip[row], F(row) + HALF
        nearness = max(lines[0, k] + lines[1, k] * middle, TINY)
        place = np.int32((lines[2, k] + lines[3, k] * middle) / nearness)
        texel = min(max(place, np.int32(0)), np.int32(PLACES - 1))
        value = F(texture[np.uint64(starts[k] * PLACES + texel)])
        if grain.grey != ZERO:
            value = _grainy(value, nearness, grain, starts[k], int(texel))
        grey[row, column] = value


@reordered_part
def _grainy(
    value: np.float32, nearness: np.float32, grain: Grain, texture_row: int, texel: int
) -> np.float32:
    """As `Variation.textured`."""
    patch = texture_row // STRIPS * (PLACES // PATCH_PLACES) + texel // PATCH_PLACES
    square = nearness * nearness
    noise = _noise(patch + grain.pattern)
    return clip(value + grain.grey * (square / (square + PER_GRAIN_SQUARE)) * noise, ZERO, F(255))


@reordered_part
def _noise(number: int) -> np.float32:
    """As `appearance._noise`."""
    number &= 0x7FFFFFFF
    for _ in range(2):
        number = ((number ^ (number >> 16)) * 0x45D9F3B) & 0x7FFFFFFF
    return F(number >> 23) / F(127.5) - ONE


@reordered_part
def _stand_fence(
    focal_y: np.float32, horizon: np.float32, ahead: Floats, chain: Floats, k: int
) -> tuple[np.float32, np.float32]:
    """Puts the fence's foot into the place of sample `k`; the row of its upper edge, and its grey."""
    row0, near0, place0 = chain[ROW, k - 1], chain[NEAR, k - 1], chain[PLACE, k - 1]
    row1, near1, place1 = chain[ROW, k], chain[NEAR, k], chain[PLACE, k]
    wall = -ahead[WALL, k] if place1 < ZERO else ahead[WALL, k]
    part = clip((wall - place0) / (place1 - place0), ZERO, ONE)
    depth = ONE / near0 + part * (ONE / near1 - ONE / near0)
    # Along the ground place, height and depth are linear, that is (row - horizon) / nearness.
    drop0, drop1 = (row0 - horizon) / near0, (row1 - horizon) / near1
    chain[ROW, k] = horizon + (drop0 + part * (drop1 - drop0)) / depth
    chain[NEAR, k] = ONE / depth
    chain[PLACE, k] = place0 + part * (place1 - place0)
    panel = _panel(ahead[ARC, k - 1] + part * (ahead[ARC, k] - ahead[ARC, k - 1]), chain[NEAR, k])
    return chain[ROW, k] - focal_y * FENCE_M / depth, panel


@reordered_part
def _panel(s_m: np.float32, near: np.float32) -> np.float32:
    """Grey of the fence at arc length `s_m`."""
    panels = np.floor(s_m / F(4))
    odd = panels - F(2) * np.floor(panels / F(2))
    return fogged(FENCE_DARK + odd * (FENCE_LIGHT - FENCE_DARK), near)


@reordered_part
def _gate_at(size: Picture, gate: Gate, slope: np.float32) -> tuple[np.float32, np.float32, np.float32]:
    """Where a column meets the line of a gate: place in half widths, depth, and the place where posts end."""
    place = (slope * gate.z - gate.x) / max(gate.side_x - slope * gate.side_z, F(0.05))
    depth = gate.z + place * gate.side_z
    half_width = np.sqrt(gate.side_x * gate.side_x + gate.side_z * gate.side_z)
    return place, depth, ONE + max(max(depth, GATE_NEAREST_M) / size.focal_x, POST_M) / half_width


@reordered_part
def _nearest_row(
    size: Picture,
    horizon: np.float32,
    gate: Gate,
    slope: np.float32,
    ahead: Floats,
    chain: Floats,
    known: int,
) -> np.float32:
    """The row above which nothing nearer hides a gate; cuts the samples after `known` for that."""
    row = NOWHERE
    place, depth, end = _gate_at(size, gate, slope)
    if not gate.exists or depth <= GATE_NEAREST_M or abs(place) >= end:
        return row
    for begin in range(known, ahead.shape[1], CHUNK):
        _cut(slope, size.focal_y, horizon, ahead, chain, begin, min(begin + CHUNK, ahead.shape[1]))
    for k in range(ahead.shape[1]):
        # Nearer by 2 %, or the ground that the gate stands on would hide its foot.
        if chain[NEAR, k] >= F(1.02) / depth:
            row = min(row, chain[ROW, k])
    return row


@reordered_part
def paint_gate(
    column: int, tables: Tables, size: Picture, horizon: np.float32, gate: Gate, canvas: Canvas
) -> None:
    """As `Camera._gate` and `Camera._blend`, of one column."""
    slope, nearest, grey = tables.slope[column], canvas.edges[HIDING, column], canvas.grey
    place, depth, end = _gate_at(size, gate, slope)
    if not (depth > GATE_NEAREST_M and abs(place) < end):
        return
    near = ONE / depth
    foot = horizon - size.focal_y * (gate.y + place * gate.side_y) * near
    high = foot - size.focal_y * BEAM_HIGH_M * near
    low = min(nearest, foot if abs(place) > ONE else foot - size.focal_y * BEAM_LOW_M * near)
    colour = F(25)
    if gate.kind == FINISH_GATE:
        fields = np.floor(place * F(4))
        colour = (fields - F(2) * np.floor(fields / F(2))) * F(255)
    elif gate.kind == CHECKPOINT_GATE:
        colour = F(255)
    colour = fogged(colour, near * F(1.5))
    for pixel in range(row_at(high - ONE, size), row_at(low + F(2), size)):
        middle = F(pixel) + HALF
        cover = clip(min(middle + HALF - high, low + HALF - middle), ZERO, ONE)
        grey[pixel, column] += cover * (colour - grey[pixel, column])
