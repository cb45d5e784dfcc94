"""Environments: every game as a gymnasium VectorEnv of tensors. Importing this registers the tracks.

Those are of NumPy arrays: one car by gymnasium.make, many by gymnasium.make_vec.
"""

# Not the whole package: its name here would hide our module envs.gymnasium from whoever looks that up.
from gymnasium import register

TRACKS = ("a01", "oval", "s_bends", "hills", "dirt_and_turbo")

for _track in TRACKS:
    register(
        id=f"btr_tm/{''.join(part.capitalize() for part in _track.split('_'))}-v0",
        entry_point="btr_tm.envs.single:SingleEnv",
        vector_entry_point="btr_tm.envs.many:ManyEnv",
        kwargs={"track": _track},
    )
