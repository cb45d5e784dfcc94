"""The arithmetic of a configured network, from its profile."""

from __future__ import annotations

import math

from btr_tm.benchmarks.arithmetic import Sizes
from btr_tm.core.protocols import EnvironmentSpec
from btr_tm.core.types import JsonObject


def sizes_of(profile: JsonObject, env: EnvironmentSpec, taus: str = "taus") -> Sizes:
    """Of IMPALA with a pool and two streams; `taus` names the number of fractions: "taus" or "taus_act"."""
    return Sizes(
        image_shape=env.image_shape,
        actions=env.actions * math.prod(env.block),
        model_size=profile["impala_model_size"],
        pool=profile["pool_size"],
        hidden=profile["head_hidden"],
        taus=profile[taus],
        cosines=profile["cosines"],
        floats=env.layout.size,
        float_hidden=profile["float_hidden"] if env.layout.size else 0,
    )
