"""What a file of demonstrations shows, against what a run sees."""

from __future__ import annotations

from pathlib import Path

from btr_tm.cli.assembly.differing import changed, in_words
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.errors import UserError
from btr_tm.replay import demo_file
from btr_tm.replay.demo_file import Demonstrations

OF_ENV = ("ticks_per_action", "action_offsets_ms", "gates", "float_lookup")
OF_PROFILE = ("image_height", "image_width")


def shown_by(values: Node) -> Node:
    """What observations, decisions and rewards are made of, of a checked configuration."""
    env = {key: values["env"][key] for key in OF_ENV if key in values["env"]}
    profile = {key: values["profile"][key] for key in OF_PROFILE}
    if not values["encoder"].get("body"):  # nothing is rendered
        profile = dict.fromkeys(OF_PROFILE, 0)
    return {"obs": values["obs"], "reward": values["reward"], "env": env, "profile": profile}


def demonstrations_for(values: Node, actions: int) -> Demonstrations:
    """Those of `demos`; raises UserError if the run sees, decides or is rewarded in another way, or if its
    drivers choose among fewer `actions`.
    """
    path = Path(values["demos"])
    demos, about = demo_file.load(path)
    other = changed(about.get("shows", {}), shown_by(values))
    if other:
        raise UserError(
            f"{path} shows races in another way than this run sees them ({in_words(other)}); make it again "
            "with the choices of this run behind python -m btr_tm.demos"
        )
    if int(demos.action.max()) >= actions:
        raise UserError(
            f"{path} steers by parts of the way, and a driver of this run chooses among {actions} actions, "
            "none of which does; choose env.steer_levels=2 or 4"
        )
    return demos
