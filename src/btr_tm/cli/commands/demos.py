"""`python -m btr_tm.demos`: races of others, driven again in the simulator, to learn from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from btr_tm.cli.commands import common as commands
from btr_tm.core.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from btr_tm.cli.configuration.schema import Node
    from btr_tm.envs.demonstrations import Recorded
    from btr_tm.sim.track.ribbon import Track

AUTHOR = "author"
AT_ONCE = 64  # cars side by side
MOST_RACES = 10_000


class Source(NamedTuple):
    """Races on one track that are driven side by side."""

    names: list[str]
    keys: list[Tensor]  # (T,) each
    track: Track
    start: str  # canonical, or evaluation: seeded starts


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.demos",
        description="Drive races again in the simulator and write what a driver would have seen and decided: "
        "demonstrations for +experiment=bc and replay.demo_share.",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE_OR_KEY=VALUE",
        help="an .inputs file or a folder of them, a run folder, a checkpoint or a policy file whose driver "
        f"is to race, or the word {AUTHOR}; then choices of the learning run (default: +experiment=bc)",
    )
    parser.add_argument(
        "--out", metavar="FILE", default="demos.safetensors", help="default: demos.safetensors"
    )
    parser.add_argument(
        "--races",
        type=commands.at_least_one,
        default=33,
        help="of each driver, all but one from seeded starts",
    )
    parser.add_argument("--all", action="store_true", help="keep races that do not finish too")
    parser.add_argument("--track", help="where files race: a shipped track, a .yaml or a .npy file")
    commands.add_plugin(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Make them; errors that a user can fix are one line on stderr."""
    commands.run(make, parser(), argv, mixed=True)


def make(arguments: argparse.Namespace) -> None:
    """Drive, say how each race ended, write."""
    from btr_tm.cli.assembly.demonstrations import shown_by
    from btr_tm.cli.assembly.parts import checked
    from btr_tm.cli.configuration.composition import compose_job
    from btr_tm.core.tensor_file import SUFFIX
    from btr_tm.replay import demo_file

    commands.refuse_unwritable_file(arguments.out, SUFFIX)
    typed = [word for word in arguments.sources if _is_choice(word)]
    values = compose_job([*(typed or ["+experiment=bc"]), "logger=none"]).values
    learnt_from = values["replay"].get("demo_share", 0.0) > 0  # the run has a file, which is only made now
    values = checked({**values, "demos": "unread" if learnt_from else ""})
    home = arguments.track or values["track"]["name_or_path"]
    kept, races = [], []
    for source in _sources(arguments, [word for word in arguments.sources if not _is_choice(word)], home):
        for name, race in zip(source.names, _recorded(values, source), strict=True):
            print(f"{name}: {_outcome(race)} on {source.track.name}", flush=True)
            if race.finished or arguments.all:
                kept.append(race.demos)
                races.append({"source": name, "track": source.track.name} | _facts(race))
    if not kept:
        raise UserError("none of the races finishes, so there is nothing to learn from; keep them with --all")
    demos = demo_file.joined(kept)
    demo_file.save(Path(arguments.out), demos, {"shows": shown_by(values), "races": races})
    print(
        f"{arguments.out}: races: {len(kept)}, decisions: {len(demos.action):,}, "
        f"{float(demos.mixed.float().mean()):.1%} of them mixed"
    )


def _is_choice(word: str) -> bool:
    return "=" in word and not Path(word).exists()


def _sources(arguments: argparse.Namespace, words: Sequence[str], home: str) -> Iterator[Source]:
    """What is to be driven, a few at a time; `home` is the author's track."""
    from btr_tm.cli.commands.watch import SUFFIXES

    if not words:
        raise UserError(f"name what is to be driven: .inputs files, a driver or the word {AUTHOR}")
    files: list[Path] = []
    for word in words:
        path = Path(word)
        if word == AUTHOR:
            yield _author(home)
        elif path.is_dir() and not (path / "manifest.json").exists():
            found = sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES)
            if not found:
                raise UserError(f"{path} holds no file that ends in {' or '.join(SUFFIXES)}")
            files += found
        elif path.suffix.lower() in SUFFIXES:
            files.append(path)
        else:
            yield _of_driver(word, arguments)
    if len(files) > MOST_RACES:
        raise UserError(f"at most {MOST_RACES:,} files can be driven at once, got {len(files):,}")
    yield from _of_files(files, arguments.track)


def _author(track: str) -> Source:
    """The race of a track's author."""
    from btr_tm.sim.track.load import author_inputs, load_track

    place = load_track(track)
    inputs = author_inputs(place)
    if inputs is None:
        raise UserError(f"the track {place.name} has no race of its author")
    return Source([AUTHOR], [inputs.actions], place, "canonical")


def _of_driver(word: str, arguments: argparse.Namespace) -> Source:
    """Races of a trained driver in its own world."""
    from btr_tm.cli.assembly.driver import load_driver
    from btr_tm.cli.commands.film import refuse_elsewhere
    from btr_tm.core.protocols import RedrivableEnv
    from btr_tm.envs.demonstrations import keys_of_driver

    driver = load_driver(word, "cpu", arguments.track, arguments.plugin)
    refuse_elsewhere(driver)
    env = cast(RedrivableEnv, driver.parts.env(arguments.races, start_pool=1))
    if env.longest_delay_ticks:
        raise UserError(f"{word} drives with a delay, so its keys cannot be driven again as they are")
    names = [f"{word}, start {number}" for number in range(arguments.races)]
    return Source(
        names, keys_of_driver(env, driver.policy, env.decision_ticks), driver.parts.track, "evaluation"
    )


def _of_files(paths: Sequence[Path], chosen: str | None) -> Iterator[Source]:
    """Files by track, in the order in which tracks first occur."""
    from btr_tm.cli.commands.watch import track_of
    from btr_tm.race.inputs_file import InputsFile

    by_track: dict[str, tuple[Track, list[tuple[str, Tensor]]]] = {}
    for path in paths:
        file = InputsFile.read(path)
        place = chosen or f"{file.track} {file.half_width_m} {path.parent if file.track else path}"
        if place not in by_track:
            by_track[place] = (track_of(file, path, chosen), [])
        by_track[place][1].append((str(path), file.actions))
    for track, races in by_track.values():
        for first in range(0, len(races), AT_ONCE):
            names, keys = zip(*races[first : first + AT_ONCE], strict=True)
            yield Source(list(names), list(keys), track, "canonical")


def _recorded(values: Node, source: Source) -> list[Recorded]:
    """As the run of `values` would see them."""
    import torch

    from btr_tm.cli.assembly.parts import Parts
    from btr_tm.envs.demonstrations import record

    parts = Parts(values, torch.device("cpu"))
    if not parts.env_class.can_redrive:
        raise UserError("demonstrations are driven in the simulator; choose env=sim for them")
    env = parts.env(len(source.keys), start_pool=1, track=source.track)
    try:
        return record(env, source.keys, source.start)  # type: ignore[arg-type] # the one class that can
    finally:
        env.close()


def _outcome(race: Recorded) -> str:
    if race.finished:
        return f"{race.time_ms / 1000:.2f} s"
    return f"no finish, {race.progress_m:,.1f} m"


def _facts(race: Recorded) -> Node:
    decisions, mixed = len(race.demos.action), int(race.demos.mixed.sum())
    ends = {"finished": race.finished, "time_ms": race.time_ms, "progress_m": race.progress_m}
    return ends | {"decisions": decisions, "mixed": mixed}
