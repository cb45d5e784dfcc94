"""Tables of the experiments that no command of the package makes: of measurements, and those in READMEs."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from btr_tm.metrics.meter import Row
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.metrics.stats import mean_interval

Times = dict[str, list[float]]  # milliseconds or seconds of each repetition, by way


def content(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def table(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """Median of the ratios, repetition by repetition, which alternated."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def kernel(path: Path) -> str:
    """Decisions per CPU second, eager and by the kernels."""
    rows = []
    for each in content(path)["results"]:
        cars, image, times = each["cars"], each["image"], each["ms"]
        eager, fast = (1000 * cars / statistics.median(times[way]) for way in ("eager", "kernel"))
        shown = f"{image[0]} x {image[1]}" if image[0] else "none"
        gain = ratio(times["eager"], times["kernel"])
        rows.append(f"| {shown} | {cars} | {eager:,.0f} | {fast:,.0f} | {gain:.1f} |")
    return table(
        "| image | cars | eager, decisions per CPU second | kernel | ratio |",
        "|---|---:|---:|---:|---:|",
        *rows,
    )


def cores(path: Path) -> str:
    """Decisions per second of wall time with one thread and with two, which took turns."""
    times: dict[tuple[str, int, int], dict[int, list[float]]] = {}
    for each in content(path)["results"]:
        times.setdefault((each["track"], each["cars"], each["image"][0]), {})[each["threads"]] = each["ms"]
    rows = []
    for (track, cars, pixels), ways in times.items():
        one, two = (1000 * cars / statistics.median(ways[threads]) for threads in (1, 2))
        shown = f"{pixels} x {pixels}" if pixels else "none"
        rows.append(
            f"| {track} | {shown} | {cars:,} | {one:,.0f} | {two:,.0f} | {ratio(ways[1], ways[2]):.2f} |"
        )
    heading = "| track | image | cars | decisions per second, one thread | two | ratio |"
    return table(heading, "|---|---|---:|---:|---:|---:|", *rows)


def steps(path: Path) -> str:
    """CPU time of an update without one change, for each size of the network."""
    lines = []
    for title, times in content(path).items():
        if title != "machine":
            lines += [f"## {title}", "", *step_rows(times), ""]
    return "\n".join(lines)


def step_rows(times: Times) -> list[str]:
    rows = [
        f"| {name} | {statistics.median(each):.1f} | {ratio(each, times['as shipped']):.2f} |"
        for name, each in times.items()
    ]
    return ["| update | CPU ms | times as shipped |", "|---|---:|---:|", *rows]


def updates(path: Path) -> str:
    """Updates and decisions beside those of an older commit: medians, and the middle half of the ratios."""
    rows = []
    for name, times in content(path).items():
        if name != "machine":
            before, now = times["before"], times["now"]
            low, middle, high = statistics.quantiles([b / a for a, b in zip(before, now, strict=True)], n=4)
            medians = f"{statistics.median(before):.2f} | {statistics.median(now):.2f}"
            rows.append(f"| {name} | {medians} | {middle:.2f} | {low:.2f} to {high:.2f} |")
    heading = "| what | CPU ms before | now | ratio | middle half of the ratios |"
    return table(heading, "|---|---:|---:|---:|---:|", *rows)


def traced(path: Path) -> str:
    """CPU time of a decision, step by step and replayed."""
    rows = []
    for cars, times in content(path)["ms"].items():
        eager, replayed = (statistics.median(times[way]) for way in ("eager", "traced"))
        rows.append(
            f"| {cars} | {eager:.1f} | {replayed:.1f} | {ratio(times['traced'], times['eager']):.2f} | "
            f"{times['traced, first'][0]:.0f} |"
        )
    return table(
        "| cars | eager, CPU ms | traced | ratio | first traced |", "|---:|---:|---:|---:|---:|", *rows
    )


def first_finish(folder: Path) -> str:
    """When the driver first finished, and how long a run took, seed by seed."""
    rows, firsts, wholes = [], [], []
    for seed in range(5):
        pair = [read_record(folder / "records" / f"{arm}_s{seed}.jsonl") for arm in ("before", "now")]
        first = [next(row for row in rows_ if row.get("eval/finish_rate", 0) > 0) for rows_ in pair]
        firsts.append([row["cpu_s"] for row in first])
        wholes.append([rows_[-1]["cpu_s"] for rows_ in pair])
        unit = " CPU s" if seed == 0 else ""
        word = " frames" if seed == 0 else ""
        rows.append(
            f"| {seed} | {firsts[-1][0]:.0f}{unit} ({first[0]['frames']:,}{word}) | "
            f"{firsts[-1][1]:.0f} ({first[1]['frames']:,}) | {wholes[-1][0]:.0f}{unit} | "
            f"{wholes[-1][1]:.0f} |"
        )
    means = [f"{mean:.0f}" for mean in (*np.mean(firsts, axis=0), *np.mean(wholes, axis=0))]
    heading = "| seed | first finish before | now | whole run before | now |"
    return table(heading, "|---:|---:|---:|---:|---:|", *rows, f"| mean | {' | '.join(means)} |")


def munchausen_scale(folder: Path) -> str:
    """What the policy looks like in the last row of each run, over five seeds."""
    arms = {"seed": (folder, "seed", 0.3), "paper": (folder, "paper", 0.3),
            "scaled": (folder.parent / "quickstart", "btr", 0.03)}  # fmt: skip
    rows = []
    for arm, (place, name, tau) in arms.items():
        last = [read_record(place / "records" / f"{name}_s{seed}.jsonl")[-1] for seed in range(5)]
        gap = float(np.mean([row["learner/action_gap"] for row in last]))
        form = ".3f" if gap < 0.1 else ".2f"
        times_tau = f"{gap / tau:.1f}" if gap < tau else f"{gap / tau:.0f}"
        rows.append(
            f"| {arm} | {interval(last, 'learner/entropy', '.2f')} | "
            f"{interval(last, 'learner/action_gap', form)} | {times_tau} | "
            f"{100 * np.mean([row['learner/bonus_clipped'] for row in last]):.0f} % | "
            f"{np.mean([row['learner/q_mean'] for row in last]):.1f} | "
            f"{interval(last, 'eval/canonical_time_s', '.1f')} |"
        )
    heading = (
        "| arm | entropy (nats; uniform: 2.48) | action gap | gap / tau | bonuses clipped | mean Q | "
        "canonical race (s) |"
    )
    return table(heading, "|---|---|---|---|---|---|---|", *rows)


def interval(rows: Sequence[Row], name: str, form: str) -> str:
    found = mean_interval([row[name] for row in rows])
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def lunar_lander(folder: Path) -> str:
    """Returns of the evaluations of three seeds."""
    rows = []
    for seed in range(3):
        record = read_record(folder / f"seed{seed}.jsonl")
        found = [row for row in record if "eval/return_mean" in row]
        best = max(found, key=lambda row: row["eval/return_mean"])
        first = next(row for row in found if row["eval/return_mean"] >= 200)
        rows.append(
            f"| {seed} | {found[-1]['eval/return_mean']:.1f} | "
            f"{best['eval/return_mean']:.1f} ({best['frames']:,}) | "
            f"{first['frames']:,} frames, {first['cpu_s']:.0f} CPU s | "
            f"{32 * found[-1]['eval/finish_rate']:.0f} of 32 | {record[-1]['cpu_s']:.0f} | "
            f"{record[-1]['wall_s']:.0f} |"
        )
    heading = (
        "| seed | final mean return of 33 episodes | best of ten evaluations | first evaluation from 200 on "
        "| seeded episodes from 200 on | CPU s | wall s |"
    )
    return table(heading, "|---|---|---|---|---|---|---|", *rows)


def car_racing(folder: Path) -> str:
    """Evaluations, and the training episodes that ended before them."""
    rows, ended = [], []
    for row in read_record(folder / "seed0.jsonl"):
        if row["race/races"]:
            ended.append(f"{row['race/races']:.0f}, {row['race/return']:.1f}")
        if "eval/return_mean" in row:
            rows.append(
                f"| {row['frames']:,} | {row['cpu_s']:.0f} | {row['eval/return_mean']:.2f} | "
                f"{'; then '.join(ended) or 'none'} |"
            )
            ended = []
    heading = (
        "| frames | CPU s so far | mean return of 4 evaluation episodes | training episodes ended since the "
        "last row, mean return |"
    )
    return table(heading, "|---|---|---|---|", *rows)


WINDOWS = {  # decisions from, to
    "training games (with noise), first 20,000 decisions": (0, 20_000),
    "training games, 40,000 to 60,000": (40_000, 60_000),
    "training games, 80,000 to 100,000": (80_000, 100_000),
    "training games, 100,000 to 120,000": (100_000, 120_000),
    "training games, after 140,000": (140_000, 10**9),
}
PUBLISHED = {  # constants of DQN Zoo; what BTR's authors report
    "human, random: constants of DQN Zoo": ("6,952, 307", "35,829, 10,781"),
    "BTR's authors, 50 million decisions": ("8,621", "123,022"),
}


def atari(folder: Path) -> str:
    """Scores of both games, beside random play and published ones."""
    games = ("MsPacman", "CrazyClimber")
    columns = [atari_column(folder, game) for game in games]
    rows = [f"| {name} | {' | '.join(column[name] for column in columns)} |" for name in columns[0]]
    rows += [f"| {name} | {' | '.join(figures)} |" for name, figures in PUBLISHED.items()]
    return table(f"| | {' | '.join(games)} |", "|---|---|---|", *rows)


def atari_column(folder: Path, game: str) -> dict[str, str]:
    record = read_record(folder / "records" / f"{game}_seed0.jsonl")
    scores = content(folder / "random.json")[game]
    played = (folder / "records" / f"{game}_evaluation.txt").read_text(encoding="utf-8")
    shown, more = (
        re.findall(r"^ +\d+ +(?:canonical|seeded) ", played, re.MULTILINE),
        found_in(r"and (\d+) more", played),
    )
    mean = found_in(r"return_mean +([0-9.]+)", played)
    error = np.std(scores, ddof=1) / len(scores) ** 0.5
    last, found = record[-1], [row["eval/return_mean"] for row in record if "eval/return_mean" in row]
    return {
        f"random actions, {len(scores)} games, standard error": f"{np.mean(scores):,.0f} ({error:.0f})",
        "decisions, updates at the last row": f"{last['frames']:,}, {last['updates']:,}",
        "CPU s, wall s there": f"{last['cpu_s']:,.0f}, {last['wall_s']:,.0f}",
        **{name: played_between(record, *window) for name, window in WINDOWS.items()},
        "evaluations (no noise) while training, 10 games each": ", ".join(f"{each:,.0f}" for each in found),
        "evaluation of the last weights": f"{mean:,.0f}, {len(shown) + more:.0f} games",
    }


def found_in(pattern: str, text: str) -> float:
    """The number in a text; 0 if it is not there."""
    match = re.search(pattern, text)
    return float(match[1]) if match else 0.0


def played_between(record: Sequence[Row], after: int, until: int) -> str:
    """Mean score of the training games that ended there, and their number."""
    rows = [row for row in record if after < row["frames"] <= until and row["race/races"]]
    count = sum(row["race/races"] for row in rows)
    if not count:
        return ""
    mean = sum(row["race/races"] * row["race/return"] for row in rows) / count
    return f"{mean:,.0f}, {count:.0f} game{'s' if count > 1 else ''}"


IN_README: dict[str, Callable[[Path], str]] = {
    "first_finish": first_finish,
    "munchausen_scale": munchausen_scale,
    "lunar_lander": lunar_lander,
    "car_racing": car_racing,
    "atari": atari,
}
