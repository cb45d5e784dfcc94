"""The weights that a new run begins with: drawn from its seed, or those of another run (`init_from`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from btr_tm.cli.assembly.differing import Differences, changed, in_words
from btr_tm.cli.assembly.driver import read_driver
from btr_tm.cli.assembly.parts import Parts
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.errors import UserError
from btr_tm.core.tensor_file import checksum
from btr_tm.core.types import JsonObject

# What a network is made of and what its inputs and outputs mean, by what is taken over.
NODES = {"whole": ("obs", "encoder", "head", "net"), "encoder": ("encoder",)}
# These change how weights are drawn or computed with, not what they mean.
WITHOUT_MEANING = ("precision", "sigma0", "bias_sigma", "draw", "weights", "_partial_")


def initial_weights(parts: Parts, net: nn.Module, folder: Path) -> JsonObject | None:
    """Put the weights of `init_from` into `net`, the online network of a new run; what was taken, or None.

    A run that has a checkpoint in `folder` goes on with that and reads nothing. Raises UserError if the
    weights do not fit.
    """
    where, part = parts.values["init_from"], parts.values["init_part"]
    if not where or (parts.values["on_existing"] == "resume" and has_checkpoint(folder)):
        return None
    source = Path(where)
    saved = read_driver(source)
    prefix = "" if part == "whole" else f"{part}."
    taken = {name: value for name, value in saved.weights.items() if name.startswith(prefix)}
    own = {name: value for name, value in net.state_dict().items() if name.startswith(prefix)}
    misfits, differences = _misfits(own, taken), _changed(saved.config, parts.values, NODES[part])
    if misfits or differences or not own:
        raise UserError(_sentence(source, part, misfits, differences))
    net.load_state_dict(net.state_dict() | taken)
    crc32 = checksum(taken, "")
    return {"source": str(source.resolve()), "part": part, "frames": saved.frames, "crc32": crc32}


def has_checkpoint(folder: Path) -> bool:
    """Whether a run in `folder` has something to go on with."""
    return any((folder / "checkpoints").glob("frames_*.pt"))


def _misfits(own: Mapping[str, Tensor], taken: Mapping[str, Tensor]) -> list[str]:
    """The parts of the network in which names or shapes of weights differ."""
    shapes = [{name: value.shape for name, value in each.items()} for each in (own, taken)]
    names = [name for name in (*own, *taken) if shapes[0].get(name) != shapes[1].get(name)]
    return list(dict.fromkeys(name.partition(".")[0] for name in names))


def _changed(old: Node, new: Node, nodes: tuple[str, ...]) -> Differences:
    """Settings of `nodes` that differ in a way that changes what weights mean."""
    found = changed(*({key: each.get(key) for key in nodes} for each in (old, new)))
    return {key: both for key, both in found.items() if not set(key.split(".")) & set(WITHOUT_MEANING)}


def _sentence(source: Path, part: str, misfits: list[str], differences: Differences) -> str:
    """What differs, and what to set."""
    said = f"the {'whole network' if part == 'whole' else part} of {source} does not fit this run"
    if misfits:
        said += f", for the weights of {', '.join(misfits)} differ"
    if differences:
        said += f" ({in_words(differences)})"
    elif not misfits:
        said += ", which has none"
    same_encoder = "encoder" not in misfits and not any(key.startswith("encoder.") for key in differences)
    other = ", or take the encoder alone with init_part=encoder" if part == "whole" and same_encoder else ""
    return f"{said}; choose the same as there{other}"
