"""Rules for keys that need more than a place to go to."""

from __future__ import annotations

from btr_tm.cli.importing.draft import Draft, Kind, Rule, Unmapped, Value, converted
from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.core.floats import FloatLayout
from btr_tm.core.schedule import Exponential, Linear

MAPS = ("short_name", "map_path", "reference_line_path", "is_exploration", "fill_buffer", "repeat")


def schedule(group: str, key: str, kind: type[Linear | Exponential]) -> Rule:
    """Points [frames, value], checked by the schedule they are for."""

    def rule(draft: Draft, path: str, value: Value) -> None:
        points = converted(path, value, lambda rows: [[int(frame), float(number)] for frame, number in rows])
        try:
            kind(points)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        draft.set(group, key, points)

    return rule


def replay_steps(draft: Draft, path: str, value: Value) -> None:
    """Rows [frames, [capacity, start]]."""
    rows = converted(
        path, value, lambda rows: [[int(at), int(size), int(start)] for at, (size, start) in rows]
    )
    if not rows or rows[0][0] != 0:
        raise UserError(f"the first row of {path} must be at frame 0, got {value}")
    draft.set("profile", "replay_steps", rows)
    draft.set("profile", "replay_capacity", max(size for _, size, _ in rows))
    draft.set("profile", "warmup_frames", rows[0][2])


def algorithm(draft: Draft, path: str, value: Value) -> None:
    if value not in ("iqn", "ppo"):
        shown = short(repr(value))
        raise UserError(f"{path} must be iqn or ppo, got {shown}; other algorithms cannot be imported")


def fusion_mode(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
    """Every mode but the first puts one backbone on picture and floats, which all quantiles of IQN share."""
    modes = ("none", "post_concat", "unified")
    mode = str(value or "none")
    if mode not in modes:
        return "unsupported", f"{', '.join(modes)} here"
    if mode != "none" and draft.learner == "iqn":
        draft.choices["net"] = "shared"
    if _mixes_tokens(draft):
        draft.choices["fusion"] = "transformer"
    return None


def _mixes_tokens(draft: Draft) -> bool:
    """Whether a transformer mixes tokens of picture and floats."""
    mode = draft.leaves.get("nn.fusion_mode")
    layout = draft.leaves.get("nn.encoder.post_concat_layout")
    return mode == "unified" or (mode == "post_concat" and layout == "token_sequence")


def of_tokens(rule: Rule) -> Rule:
    """`rule`, where there is such a transformer."""

    def checked(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
        if _mixes_tokens(draft):
            return rule(draft, path, value)
        return "unsupported", "fusion=transformer has it, which nn.fusion_mode does not choose"

    return checked


def token_layout(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
    """`nn.fusion_mode` reads it: token_sequence makes it a transformer."""
    known = ("fused_vector", "token_sequence")
    return None if value in known else ("unsupported", f"{' or '.join(known)} here")


def sigma0(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
    return None if value == 0.5 else ("unsupported", f"0.5 here; type head.linear.sigma0={value} for a run")


def maps(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
    """The one track of all entries; the rest of an entry says which races explore."""
    entries = converted(path, value, lambda entries: [dict(entry) for entry in entries])
    for number, entry in enumerate(entries):
        for key in entry.keys() - set(MAPS):
            draft.unmapped.append(
                Unmapped(f"{path}[{number}].{key}", entry[key], "unknown", "not a key of an entry")
            )
    names = {str(entry.get("short_name", "")).lower() for entry in entries}
    if names == {"a01"}:
        draft.choices["track"] = "a01"
        return "no effect", "track=a01; every training race explores, evaluation has races of its own"
    return (
        "unsupported",
        f"no track of ours: {', '.join(sorted(names))}; make a reference line for track=line",
    )


def keys_of_actions(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
    from btr_tm.race.actions import KEYS, TABLE

    rows = converted(path, value, lambda rows: [[bool(row[key]) for key in KEYS] for row in rows])
    return None if rows == TABLE.bool().tolist() else ("unsupported", "always the 12 published ones here")


def line_statistics(which: str) -> Rule:
    """`which` is mean or std; the published table is built in."""

    def rule(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
        layout = FloatLayout.full()
        ours = getattr(layout, which)[layout["line_points"]]
        theirs = converted(path, value, lambda numbers: tuple(float(number) for number in numbers))
        return None if theirs == ours else ("unsupported", "always the published table here")

    return rule
