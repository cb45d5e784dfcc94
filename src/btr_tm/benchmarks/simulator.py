"""Decisions and frames per second of the embedded simulator in its three ways, beside CarRacing-v3."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch._inductor.utils import fresh_cache

from btr_tm.benchmarks.car_racing import CAR_RACING
from btr_tm.benchmarks.row import NO_TARGET, NOTHING, Beside, Row, Target, rate_row
from btr_tm.benchmarks.timing import CPU, Effort, Subject, Times, interleave, seconds_of
from btr_tm.envs.execution import HOW, Compile
from btr_tm.envs.plain import plain_simulator
from btr_tm.sim.track.load import load_track

CARS = 256
IMAGE = (64, 64)
FLAT = "s_bends"  # the oval is not: its curves are banked
LAND = {FLAT: "flat", "hills": "elevation"}
MODES: tuple[Compile, ...] = ("eager", "kernel", "compiled")
TARGETS = {  # decisions/s on two idle cores
    (FLAT, "eager"): Target(2_000),
    ("hills", "eager"): Target(2_000),
    (FLAT, "kernel"): Target(50_000),
    ("hills", "kernel"): Target(50_000),
    (FLAT, "compiled"): Target(20_000),
    ("hills", "compiled"): Target(8_000),
}
CAMERA_TARGETS = {"eager": NO_TARGET, "kernel": NO_TARGET, "compiled": Target(14_000)}  # frames/s, hills
COMPILE_TARGET = Target(60, at_least=False)  # seconds, on an idle machine


class Drives:
    """One simulator and its camera, driven by random actions; building compiles what is to be compiled."""

    def __init__(
        self,
        track: str,
        compile: Compile,
        effort: Effort,
        cars: int = CARS,
        device: torch.device = CPU,
    ) -> None:
        self.track, self.compile, self.cars, self.decisions = track, compile, cars, effort.decisions
        self.env = plain_simulator(load_track(track), cars, IMAGE, cars, device=device, compile=compile)
        self.env.reset()
        self.actions = torch.randint(self.env.actions, (effort.decisions, cars), device=device)
        camera = self.env.race.camera
        self.camera = camera if compile == "kernel" else HOW[compile](camera)
        self.pose = self.env.race.world.pose(self.env.drive.sim)
        with fresh_cache():  # nothing compiled by an earlier run or for another track
            self.first_s = seconds_of(lambda: self.env.step(self.actions[0]))

    def subject(self) -> Subject:
        return Subject(f"{self.track} {self.compile}", self.cars * self.decisions, self._drive)

    def camera_subject(self) -> Subject:
        return Subject(f"camera {self.compile}", self.cars * self.decisions, self._look)

    def _drive(self) -> None:
        for action in self.actions:
            self.env.step(action)

    @torch.no_grad()
    def _look(self) -> None:
        for _ in range(self.decisions):
            self.camera(self.pose)


def simulator_rows(effort: Effort, car_racing: Sequence[Subject], cars: int = CARS) -> list[Row]:
    """Both tracks, the camera on the one with elevation, and `car_racing` if it can be had, in turns."""
    modes = MODES if effort.compile else MODES[:2]
    drives = [Drives(track, mode, effort, cars) for track in LAND for mode in modes]
    subjects = [each.subject() for each in drives]
    subjects += [each.camera_subject() for each in drives if each.track == "hills"]
    times = interleave([*subjects, *car_racing], effort.rounds)
    rows = [_row(track, mode, times) for track in LAND for mode in MODES]
    rows += [_camera_row(mode, times) for mode in MODES]
    return [*rows, *_compile_rows(drives), _car_racing_row(times)]


def _beside(mode: str, eager: str, times: dict[str, Times]) -> Beside:
    """Eager figures stand beside CarRacing, compiled ones beside eager ones."""
    other, name = (CAR_RACING, CAR_RACING) if mode == "eager" else (eager, "eager")
    return Beside(name, times[other].rate) if other in times else Beside(f"{name}: none")


def _row(track: str, mode: str, times: dict[str, Times]) -> Row:
    what, target = f"simulator, {LAND[track]} ({track}), {mode}", TARGETS[track, mode]
    if f"{track} {mode}" not in times:
        return Row(what, "decisions/s", math.nan, target=target, note="left out")
    beside = _beside(mode, f"{track} eager", times)
    return rate_row(what, "decisions/s", times[f"{track} {mode}"], beside, target)


def _camera_row(mode: str, times: dict[str, Times]) -> Row:
    what, target = f"camera alone, elevation (hills), {mode}", CAMERA_TARGETS[mode]
    if f"camera {mode}" not in times:
        return Row(what, "frames/s", math.nan, target=target, note="left out")
    beside = NOTHING if mode == "eager" else _beside(mode, "camera eager", times)
    return rate_row(what, "frames/s", times[f"camera {mode}"], beside, target)


def _compile_rows(drives: Sequence[Drives]) -> Iterator[Row]:
    for each in drives:
        if each.compile == "compiled":
            what = f"first compiled decision, empty cache, {LAND[each.track]} ({each.track})"
            yield Row(what, "s", each.first_s, target=COMPILE_TARGET)


def _car_racing_row(times: dict[str, Times]) -> Row:
    what = f"Gymnasium {CAR_RACING}, 96 x 96"
    if CAR_RACING in times:
        return rate_row(what, "steps/s", times[CAR_RACING])
    return Row(what, "steps/s", math.nan, note="not installed")
