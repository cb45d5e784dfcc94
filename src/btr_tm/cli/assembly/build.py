"""The one place where configuration nodes become objects; the nodes are checked ones (`parts.checked`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate

from btr_tm.cli.configuration.schema import Node
from btr_tm.cli.configuration.validate import parameters
from btr_tm.core.errors import UserError


def partial(node: Node) -> functools.partial[Any]:
    """What `node` names with the node's values bound; nested nodes are built or bound as they say."""
    try:
        return instantiate({**node, "_partial_": True}, _convert_="all")
    except InstantiationException as error:
        raise (error.__cause__ if isinstance(error.__cause__, UserError) else error) from None


def make(node: Node, **parts: Any) -> Any:
    """The object that `node` describes; `parts` are handed over as they are and win over its values.

    Hydra itself would turn NamedTuples among the parts into lists.
    """
    return partial(node)(**parts)


def call_with_known(function: Callable[..., Any], **parts: Any) -> Any:
    """`function` with those `parts` that it names."""
    known = parameters(function)
    return function(**{name: part for name, part in parts.items() if name in known})


def make_with_known(node: Node, **parts: Any) -> Any:
    """`make` with those `parts` that the constructor names: backends and sinks differ in what they need."""
    known = parameters(get_object(node["_target_"]))
    return make(node, **{name: part for name, part in parts.items() if name in known or "**" in known})
