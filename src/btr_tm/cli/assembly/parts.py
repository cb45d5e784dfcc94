"""Builds the objects of one configuration, each from its node; shared by train, evaluate and watch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from hydra.utils import get_object

from btr_tm.agent.build import LearnerBuilder
from btr_tm.agent.execution import CudaGraph, Eager, Execution, Replayed
from btr_tm.agent.observer import NoObserver, Observer
from btr_tm.agent.parallel import ProcessGroup, SingleProcess
from btr_tm.agent.ppo import PpoBuilder
from btr_tm.agent.pretraining import PretrainingBuilder
from btr_tm.agent.probe import Probe
from btr_tm.agent.trained import TrainedLearner, TrainedPolicy
from btr_tm.cli.assembly.build import call_with_known, make, make_with_known, partial
from btr_tm.cli.assembly.demonstrations import demonstrations_for
from btr_tm.cli.configuration import contradictions, validate
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.gpu_kernels import choose_kernels
from btr_tm.core.protocols import DrivingEnv, EnvironmentSpec, ReplayBuffer, StoredSpec, TargetFn
from btr_tm.core.schedule import ReplaySizeSchedule
from btr_tm.core.seeding import generator
from btr_tm.envs.contract import TensorVectorEnv
from btr_tm.envs.execution import allow_many_graphs, within_reach
from btr_tm.nets.iqn import IQN
from btr_tm.nets.network import Network
from btr_tm.replay.horizon.segment import Horizon
from btr_tm.replay.images import images_of
from btr_tm.replay.with_demonstrations import Lanes, WithDemonstrations
from btr_tm.run.canonical_metrics import CanonicalMetrics, RollingMean
from btr_tm.run.evaluate import EvaluationRaces, Evaluator
from btr_tm.run.evaluation_races import InlineRaces
from btr_tm.run.plan import Plan
from btr_tm.sim.track.load import make_track
from btr_tm.sim.track.ribbon import Track
from btr_tm.sim.track.source import TrackSource

CADENCES = ("frames_per_update", "warmup_frames", "log_every", "eval_every", "save_every")
KEPT_TRACK = "track"  # folder of a run with the user's own track
UPDATES_PER_TEST = 19  # 5 % of all batches are tests (Linesight), where something is set aside for them


def checked(values: Node) -> Node:
    """`values` after every check that needs no object, whole floats as integers; raises UserError."""
    whole = validate.structure(values)
    whole = validate.signatures(whole, plugins=whole["plugins"])
    contradictions.refuse(whole)
    return whole


def device_of(name: str) -> torch.device:
    """`auto` is the GPU if there is one; raises UserError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        why = "" if reason.startswith("Expected one of") else f" ({reason})"  # it lists twenty
        raise UserError(f"there is no device {name} here{why}; write device=auto, cpu or cuda") from error
    return torch.device(name)


@dataclass(frozen=True)
class Parts:
    """`values` come from `checked`. Parts of equal seed draw the same weights and random numbers."""

    values: Node
    device: torch.device
    clock: Clock = field(default_factory=Clock)
    kept_track: TrackSource | None = None  # of the user's own, kept with a driver; wins over the file named

    @property
    def seed(self) -> int:
        return self.values["seed"]

    @property
    def profile(self) -> Node:
        return self.values["profile"]

    @property
    def env_class(self) -> type[TensorVectorEnv]:
        """The class of the environment, for what it says about every one of its objects."""
        return get_object(self.values["env"]["_target_"])

    @property
    def image_size(self) -> tuple[int, int]:
        """(0, 0) for an encoder that reads no images: what nobody looks at is not rendered."""
        reads = get_object(self.values["encoder"]["_target_"]).reads_images
        return (self.profile["image_height"], self.profile["image_width"]) if reads else (0, 0)

    @cached_property
    def track(self) -> Track:
        node = self.values["track"]
        if self.kept_track is None:
            return make(node)
        return make_track(self.kept_track, **{key: node[key] for key in ("half_width_m",) if key in node})

    @property
    def own_track(self) -> TrackSource | None:
        """The user's own file that the track was made from; None for shipped tracks and tasks without one."""
        named = self.env_class.with_track and "name_or_path" in self.values["track"]
        return self.track.source if named else None

    @cached_property
    def target(self) -> TargetFn:
        return make(self.values["target"])

    @property
    def track_name(self) -> str:
        """Of the track, or of the task where there is none."""
        return self.track.name if self.env_class.with_track else self.values["env"][self.env_class.named_by]

    def stream(self, name: str) -> torch.Generator:
        """A random stream of this run on its device."""
        return generator(self.seed, name, self.device)

    def env(self, cars: int, **parts: Any) -> DrivingEnv:
        """A vector environment with `cars` cars; `parts` replace values of the node."""
        known = {"cars": cars, "seed": self.seed, "device": self.device, "image_size": self.image_size}
        if self.env_class.one_car:
            known |= {"instance": 0}
        if self.env_class.with_track:
            known |= {"track": self.track, "clock": self.clock}
            known |= {"features": make(self.values["obs"]), "reward": make(self.values["reward"])}
        return make_with_known(self.values["env"], **(known | parts))

    @property
    def workers(self) -> int:
        """How many drive side by side."""
        node = self.values["collector"]
        return node.get("workers", node.get("num_workers", 1))

    @property
    def cars(self) -> int:
        """Of training: as many as the profile says, or one for each game."""
        return self.workers if self.env_class.one_car else self.profile["cars"]

    @property
    def batch_size(self) -> int:
        """Transitions of an update: all that was driven since the last one, for a replay of rollouts."""
        steps = self.values["replay"].get("steps")
        return self.profile["batch_size"] if steps is None else self.cars * steps

    @property
    def frames_per_update(self) -> int:
        """Frames that pay for an update."""
        return self.batch_size if "steps" in self.values["replay"] else self.profile["frames_per_update"]

    @property
    def passes(self) -> int:
        """How often an update goes through its transitions; one of PPO that ends early does it less often."""
        return self.values["learner"]["passes"]["epochs"] if "passes" in self.values["learner"] else 1

    def worker_env(self, worker: int, workers: int) -> DrivingEnv:
        """What that one of `workers` drives in, with its share of the cars."""
        if self.env_class.one_car:
            return self.env(1, instance=worker)
        return self.env(self.profile["cars"] // workers)

    def evaluation_env(self, cars: int) -> DrivingEnv:
        """What evaluations beside training drive in: the game after those of the workers, if it is one."""
        of_game = {"instance": self.workers} if self.env_class.one_car else {}
        return self.env(cars, **of_game)

    @property
    def eval_starts(self) -> int:
        """Races of an evaluation beside the canonical one; a game has no other start."""
        return 0 if self.env_class.one_car else self.profile["eval_starts"]

    def net(self, env: EnvironmentSpec) -> Network:
        """The online network with its initial weights, for what `env` shows."""
        choose_kernels(self.device)
        return self.plain_net(env).to(self.device)

    def plain_net(self, env: EnvironmentSpec) -> Network:
        """The same where torch builds it."""
        return make_with_known(
            self.values["net"],
            image_shape=env.image_shape,
            layout=env.layout,
            actions=env.actions,
            block=env.block,
            encoder=partial(self.values["encoder"]),
            head=partial(self.values["head"]),
            generator=generator(self.seed, "weights"),
            device=self.device,
        )

    @property
    def learner_class(self) -> type[LearnerBuilder] | type[PpoBuilder] | type[PretrainingBuilder]:
        """What builds the learner and its policy, for what it says about both."""
        return get_object(self.values["learner"]["_target_"])

    def policy(self, env: EnvironmentSpec) -> TrainedPolicy:
        """A driver with a fresh network; on a CPU its decisions are recorded and replayed as updates are."""
        net = self.net(env)
        known = {
            "net": net,
            "exploration": make_with_known(self.values["exploration"], noisy_head=net.noisy),
            "clock": self.clock,
            "generator": self.stream("acting"),
            "act_taus": self.profile["taus_act"],
            "symmetric_taus": self.values["convention"]["symmetric_taus"],
            "execution": self._replayed(),
            "actions": env.actions,
            "block": env.block,
        }
        return call_with_known(self.learner_class.policy, **known)

    def learner(
        self,
        policy: TrainedPolicy,
        group: Callable[[IQN], ProcessGroup] = SingleProcess,
        observer: Observer | None = None,
    ) -> TrainedLearner:
        """Trains `policy` with the processes of `group`.

        On a GPU, profile.compile=compiled (or auto) fuses its networks and replays an update as one CUDA
        graph. On a CPU an update in one micro-batch is recorded and replayed unless profile.compile=eager; to
        fuse it would make it slower (docs/performance_notes.md).
        """
        node, drawing = self.values["learner"], self.stream("learning")
        added = {"driver_weights": partial(self.values["policy"])}
        if "reset" in node:
            resetting = {"net": policy.net, "generator": generator(self.seed, "resets")}
            added["reset"] = make_with_known(node["reset"], **resetting)
        builder = make_with_known(node, **added)
        on_gpu = self.device.type == "cuda"
        compiled = on_gpu and within_reach(self.profile["compile"], self.device) == "compiled"
        learner: TrainedLearner = call_with_known(
            builder.build,
            policy=policy,
            optimizer=partial(self.values["optimizer"]),
            target=self.target,
            generator=drawing,
            clock=self.clock,
            group=group,
            execution=self._execution(compiled, drawing) if group is SingleProcess else Eager(),
            observer=observer or NoObserver(),
        )
        if compiled:
            allow_many_graphs()
            for net in learner.networks:
                net.compile(dynamic=False)
        return learner

    def _execution(self, compiled: bool, drawing: torch.Generator) -> Execution:
        """Of updates that draw from `drawing`, in one process."""
        if compiled:
            return CudaGraph(drawing)
        # While a batch in many parts is traced, what they gave back lies in pieces too small for the next.
        whole = self.profile["batch_size"] <= self.profile["micro_batch"]
        return self._replayed() if whole else Eager()

    def _replayed(self) -> Execution:
        """Recorded and replayed where that is known to be quicker and nobody asks for the contrary."""
        wanted = self.device.type == "cpu" and self.profile["compile"] != "eager"
        return Replayed() if wanted else Eager()

    def observer(self, replay: ReplayBuffer) -> Observer:
        """Measures the learner now and then on states of `replay`, where it has what a probe looks at."""
        return self.probe(replay) if self.learner_class.probed else NoObserver()

    def probe(self, replay: ReplayBuffer) -> Probe:
        """Measures the learner now and then on states of `replay`."""
        return Probe(
            replay.draw_states,
            count=self.profile["probe_states"],
            every=self.profile["probe_every"],
            rows_at_once=self.profile["micro_batch"],
            target=self.target,
            taus=self.values["learner"]["loss"]["taus"],
            clock=self.clock,
            generator=self.stream("probe"),
        )

    def horizon(self, decision_ms: int) -> Horizon:
        """What values are about."""
        return make_with_known(self.values["horizon"], clock=self.clock, decision_ms=decision_ms)

    def replay(self, env: StoredSpec) -> ReplayBuffer:
        """What the run drives, and the demonstrations beside it if batches are to hold some."""
        own = self._replay(env, cars=env.num_envs, generator=self.stream("replay"))
        share = self.values["replay"].get("demo_share", 0.0)
        if share == 0:
            return own
        lanes = Lanes(demonstrations_for(self.values, env.actions))
        known = {"cars": lanes.count, "generator": self.stream("demonstrations")}
        known["capacity"] = ReplaySizeSchedule([[0, lanes.capacity, 0]], speed=1.0)
        return WithDemonstrations(own, lanes.fill(self._replay(env, **known), self.device), share)

    def _replay(self, env: StoredSpec, **own: Any) -> ReplayBuffer:
        return make_with_known(
            self.values["replay"],
            image_shape=env.image_shape,
            floats=env.layout.size,
            block=env.block,
            states=self.target.states,
            clock=self.clock,
            horizon=self.horizon(env.decision_ms),
            device=self.device,
            images=images_of(env.stacked_frames),
            **own,
        )

    def races(self, starts: int) -> InlineRaces:
        """Races from the canonical and `starts` seeded starts, in an environment of their own."""
        return InlineRaces(self.env, 0 if self.env_class.one_car else starts)

    def evaluator(self, races: EvaluationRaces, decision_ms: int) -> Evaluator:
        """Figures of what `races` drives."""
        values = {
            "gamma": make(self.values["schedule"]["gamma"]),
            "decisions": self.horizon(decision_ms).decisions,
        }
        if not self.env_class.with_track:
            return Evaluator(races, self.clock, canonical=CanonicalMetrics(**values))
        track = self.track
        canonical = CanonicalMetrics(
            RollingMean(self.values["convention"]["rolling_start"]),
            track.medals_ms,
            [at_m - track.start_m for at_m in track.checkpoints_m],
            decision_ms / 1000,
            **values,
        )
        author_s = (track.author_time_ms or math.nan) / 1000
        return Evaluator(races, self.clock, track.finish_m - track.start_m, author_s, canonical)

    def plan(self) -> Plan:
        profile = self.profile
        node, train_share = self.values["replay"], 1.0
        paid = {"frames_per_update": profile["frames_per_update"], "batch_size": profile["batch_size"]}
        if "capacity" in node:
            train_share = get_object(node["split"]["_target_"]).train_share
            size = make(node["capacity"])
            paid |= {"replay_size": size, "warmup_frames": size(0).start_learning, "train_share": train_share}
        else:
            paid |= {"cars": self.cars, "steps": node["steps"]}
        credit = make_with_known(self.values["credit"], **paid)
        known = {name: profile[name] for name in ("total_frames", "batch_size", *CADENCES)}
        return Plan(**known, credit=credit, test_every=UPDATES_PER_TEST if train_share < 1 else 0)
