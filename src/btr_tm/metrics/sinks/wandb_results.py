"""What a finished run leaves, for Weights & Biases: pictures and films as media, the rest as artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run


def log_media(run: Run, frames: float, files: Mapping[str, Path]) -> None:
    """Log the pictures and films among `files` after the last row, at its frames."""
    import wandb

    shown: dict[str, object] = {}
    for name, path in files.items():
        if path.suffix == ".png":
            shown[f"media/{name}"] = wandb.Image(str(path))
        elif path.suffix == ".mp4":
            shown[f"media/{name}"] = wandb.Video(str(path), format="mp4")
    if shown:
        run.log({"frames": frames} | shown)


def log_artifact(run: Run, kind: str, files: Iterable[Path]) -> None:
    """Log `files` as the run's artifact of a kind; a newer one becomes its next version."""
    import wandb

    artifact = wandb.Artifact(f"{run.id}-{kind}", type=kind)
    for path in files:
        artifact.add_file(str(path))
    run.log_artifact(artifact)
