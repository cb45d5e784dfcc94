"""Which classes keep which protocol, for the type checker: Hydra builds them, so nothing else would notice.

A test holds this list against the classes that conf/ names.
"""

from __future__ import annotations

from btr_tm.agent.learner import IqnLearner
from btr_tm.agent.ppo import PpoLearner
from btr_tm.agent.pretraining import PretrainingLearner
from btr_tm.core.protocols import DrivingEnv, Learner, RedrivableEnv, ReplayBuffer
from btr_tm.envs.atari import AtariVectorEnv
from btr_tm.envs.desktop.env import DesktopVectorEnv
from btr_tm.envs.gymnasium import GymnasiumVectorEnv
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.envs.tminterface.env import TMInterfaceVectorEnv
from btr_tm.metrics.meter import Logger
from btr_tm.metrics.sinks.tensorboard import TensorboardSink
from btr_tm.metrics.sinks.wandb import WandbSink
from btr_tm.replay.buffer import Replay
from btr_tm.replay.host import HostReplay
from btr_tm.replay.rollout import Rollout
from btr_tm.replay.with_demonstrations import WithDemonstrations
from btr_tm.run.beside import RacesBeside
from btr_tm.run.collector import IdleCollector, InlineCollector
from btr_tm.run.evaluate import EvaluationRaces
from btr_tm.run.evaluation_races import InlineRaces
from btr_tm.run.parallel import Helpers, OneProcess, ParallelLearner
from btr_tm.run.protocols import Collector, LearningProcesses
from btr_tm.run.remote.processes import ProcessCollector
from btr_tm.run.remote.ray import RayCollector

ENVS: tuple[type[DrivingEnv], ...] = (
    AtariVectorEnv,
    DesktopVectorEnv,
    GymnasiumVectorEnv,
    SimVectorEnv,
    TMInterfaceVectorEnv,
)
PROCESSES: tuple[type[LearningProcesses], ...] = (OneProcess, Helpers)
LEARNERS: tuple[type[Learner], ...] = (IqnLearner, PpoLearner, PretrainingLearner, ParallelLearner)
REDRIVABLE: tuple[type[RedrivableEnv], ...] = (SimVectorEnv,)
REPLAYS: tuple[type[ReplayBuffer], ...] = (Replay, HostReplay, Rollout)
BESIDE_REPLAYS: tuple[type[ReplayBuffer], ...] = (WithDemonstrations,)
COLLECTORS: tuple[type[Collector], ...] = (
    InlineCollector,
    IdleCollector,
    ProcessCollector,
    RayCollector,
)
EVALUATIONS: tuple[type[EvaluationRaces], ...] = (InlineRaces, RacesBeside)
LOGGERS: tuple[type[Logger], ...] = (TensorboardSink, WandbSink)
