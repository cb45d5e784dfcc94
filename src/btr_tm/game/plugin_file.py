"""The plugin that travels with the package, and what another copy of it says about itself."""

from __future__ import annotations

import re
from importlib import resources

NAME = "BtrTm.as"
_VERSION = re.compile(rb'^const string PLUGIN_VERSION = "([0-9A-Za-z.+-]{1,64})";', re.MULTILINE)


def plugin_bytes() -> bytes:
    """The AngelScript text that belongs to this version of the package."""
    return resources.files("btr_tm.game").joinpath("plugin", NAME).read_bytes()


def version_of(content: bytes) -> str | None:
    """The version of a copy of the plugin; None for a file that is none of ours."""
    found = _VERSION.search(content)
    return found[1].decode() if found and content.startswith(b"// BtrTm:") else None
