"""The file of a checkpoint: what torch.save writes, with every byte covered by a checksum."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import torch

from btr_tm.core.errors import UserError
from btr_tm.core.files import PARSE_ERRORS, short
from btr_tm.core.types import StateDict

FORMAT = "btr_tm checkpoint 2"
KEYS = {"frames", "parts", "replay", "random"}


def packed(content: StateDict) -> bytes:
    """The bytes of a checkpoint that holds `content`, which has KEYS."""
    buffer = io.BytesIO()
    torch.save(content | {"format": FORMAT, "torch": str(torch.__version__)}, buffer)
    return buffer.getvalue()


def read(path: Path) -> StateDict | None:
    """The content of a checkpoint, None if the file is damaged; a file of another kind raises UserError."""
    if not whole(path):
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise foreign(path, "it holds objects other than tensors and numbers") from error
    except (RuntimeError, *PARSE_ERRORS):
        return None
    found = content.get("format", "none") if isinstance(content, dict) else "none"
    if found != FORMAT:
        raise foreign(path, f"its format is {short(found)}")
    if missing := KEYS - content.keys():
        raise foreign(path, f"it lacks {', '.join(sorted(missing))}")
    return content


def whole(path: Path) -> bool:
    """Whether every part of the file has the checksum (CRC-32) that torch.save wrote with it.

    torch.load does not compare them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stored = all(part.compress_type == zipfile.ZIP_STORED for part in archive.infolist())
            return stored and archive.testzip() is None
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror})") from error
    except (zipfile.BadZipFile, RuntimeError, *PARSE_ERRORS):  # RuntimeError: a flag says it is encrypted
        return False


def foreign(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is not a '{FORMAT}' file, {reason}; name one that this version saved")
