"""The config groups: which choices lie in conf/ and in the user's own folder, and what each group decides."""

from __future__ import annotations

from pathlib import Path

DECIDES = {
    "experiment": "a named run, as deltas from the base: +experiment=...",
    "ablation": "one ingredient off (no_*) or on (plus_*): +ablation=..., after the experiment",
    "sweep": "many runs: each ingredient, or each two, off or on: -m +experiment=... +sweep=... seed=0,1,2",
    "preset": "which variant of each detail on which paper, code and published runs differ",
    "profile": "how big: every size, budget and cadence, and nothing else",
    "env": "the game",
    "env/appearance": "whether each training race of the simulator looks different",
    "env/restarts": "where training races of the simulator begin",
    "env/cut_offs": "what it means that a car is stuck: its race is cut off, or lost",
    "env/telemetry": "what a game in a window says about its car",
    "env/screen": "who takes the pictures of the window",
    "env/controls": "what drives in it: the keyboard, or a pad",
    "env/pace": "whose clock decisions keep to in a game in real time",
    "env/program": "who starts the game: you, or we with TMLoader",
    "env/program/ghosts": "whether your own best race is in the picture of a game that we start",
    "track": "the track of the simulator",
    "obs": "the floats beside the picture",
    "reward": "what a decision is worth",
    "gates": "what a car must pass for its progress to count",
    "float_lookup": "where the reward reads floats",
    "net": "the network as a whole",
    "net/objective": "what an image encoder learns before anything drives",
    "fusion": "how picture and floats become the features of a state",
    "value": "what the head gives for an action, and the loss of that",
    "encoder": "the image branch: a preset over body, norm and pool",
    "encoder/body": "the convolutions",
    "encoder/norm": "the norm of their kernels",
    "encoder/pool": "what follows the last feature map",
    "pixels": "how bytes become numbers",
    "activation": "the activation outside IMPALA, which always has ReLU",
    "weight_init": "the initial weights",
    "head": "the head: a preset over linear, norm and shape",
    "head/linear": "its linear layers",
    "head/norm": "the norm between a layer and its activation",
    "head/shape": "how values are made of its streams",
    "target": "what the network learns to predict",
    "exploration": "how actions are tried",
    "policy": "which weights are evaluated and saved as the driver",
    "learner": "how the network learns",
    "learner/target_sync": "how the target network follows",
    "learner/noise": "which networks draw new parameter noise before an update",
    "learner/self_loss": "how much each sample counts",
    "learner/reset": "whether the network is reset now and then",
    "learner/moments": "what the optimizer remembers when the target network has been copied",
    "learner/priority_error": "the error that prioritised replay is told",
    "optimizer": "how steps are taken",
    "schedule": "what changes over the frames: learning rate, discount, epsilon",
    "horizon": "7 s clipped, or a discount",
    "replay": "how transitions are drawn, and where they are held",
    "replay/split": "what is set aside for tests",
    "replay/finish": "whether the transition into the finish is stored",
    "replay/gamma_at": "from which moment the discount of a return is",
    "replay/exponent": "how a return that a truncated race cut short bootstraps",
    "importance": "the exponent of the importance weights over the frames",
    "credit": "what pays for an update",
    "collector": "where cars drive",
    "eval": "whether training waits for evaluations",
    "parallel": "how many processes learn",
    "logger": "what is written besides record.jsonl; a list takes several",
}


def conf_dir() -> Path:
    """conf/ inside an installed package, or beside src/ in a checkout."""
    package = Path(__file__).resolve().parents[2]
    shipped = package / "conf"
    return shipped if shipped.is_dir() else package.parents[1] / "conf"


def choices(*folders: str | Path) -> dict[str, list[str]]:
    """Names by group, shipped and in `folders`; groups in the order of DECIDES, the user's own last."""
    found: dict[str, set[str]] = {}
    for root in (conf_dir(), *map(Path, folders)):
        for path in root.rglob("*.yaml"):
            group = path.parent.relative_to(root).as_posix()
            if group != "." and group.split("/")[0] != "hydra":
                found.setdefault(group, set()).add(path.stem)
    own = sorted(found.keys() - DECIDES.keys())
    return {group: sorted(found[group]) for group in (*DECIDES, *own) if group in found}
