"""Records a part of an update once, gradients included, and replays the same operations without Python.

torch's tracer cannot record a backward pass. So all operations are written down as torch dispatches them,
below autograd and autocast, and what was written down is traced.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import Argument, map_aggregate
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from btr_tm.agent.traceable import Operation, random, reads, traceable
from btr_tm.core.tree import Leaves, Tree, flatten, unflatten

_ALONE = 2  # calls before the first that is written down, in which memory finds its place

Kind = tuple[tuple[torch.Size, tuple[int, ...], torch.dtype], ...]  # of all leaves that a call is given


class _Draw(NamedTuple):
    """Of random numbers: an operation that no tracer records, and which is made before the others."""

    operation: Callable[..., Tensor]
    arguments: Sequence[object]
    options: Mapping[str, object]

    def __call__(self) -> Tensor:
        return self.operation(*self.arguments, **self.options)


class _Replay(NamedTuple):
    operations: Callable[..., tuple[Tensor, ...]]
    draws: list[_Draw]
    like: Leaves  # a result

    def __call__(self, leaves: list[Tensor]) -> Leaves:
        drawn = [draw() for draw in self.draws]
        with torch.no_grad(), torch.jit.optimized_execution(False):  # nothing to gain, but much to compile
            return unflatten(self.like, list(self.operations(*leaves, *drawn)))


class Recording(Generic[Tree]):
    """`function` of trees of tensors, in which Python decides nothing; the same numbers to the bit.

    The function may work on tensors from outside, in place too: they must stay where they are until `forget`.
    It is called as it is a few times for each kind of arguments (shapes, memory, formats). Then two calls are
    written down: if they differ, or read a number from a tensor, it stays as it is.
    """

    def __init__(self, function: Callable[..., Tree]) -> None:
        self._function = function
        self.forget()

    def forget(self) -> None:
        """Record anew: tensors from outside have been replaced."""
        self._calls: dict[Kind, int] = {}
        self._written: dict[Kind, _Writer] = {}
        self._replays: dict[Kind, _Replay | None] = {}

    def __call__(self, *trees: Leaves) -> Tree:
        leaves = flatten(trees)
        kind = tuple((leaf.shape, leaf.stride(), leaf.dtype) for leaf in leaves)
        if kind not in self._replays:
            calls = self._calls[kind] = self._calls.get(kind, 0) + 1
            return self._function(*trees) if calls <= _ALONE else self._write(kind, trees, leaves)
        replay = self._replays[kind]
        return self._function(*trees) if replay is None else cast(Tree, replay(leaves))

    def _write(self, kind: Kind, trees: tuple[Leaves, ...], leaves: list[Tensor]) -> Tree:
        """Call the function once more, and decide about replays if it is the second time."""
        with _Writer(leaves) as writer:
            result = self._function(*trees)
        writer.end(result)
        before = self._written.pop(kind, None)
        if before is None:
            self._written[kind] = writer
        else:
            self._replays[kind] = writer.traced(leaves, result) if writer.repeats(before) else None
        return result


class _Writer(TorchDispatchMode):
    """Writes down every operation as a node of a graph; `given` are its inputs, then random draws.

    Tensors are held weakly: all those of an update would take many times the memory of an update.
    """

    def __init__(self, given: list[Tensor]) -> None:
        super().__init__()
        self._whole = True  # Python learnt no number, and no tensor came into being without an operation
        self._graph, self._outside = Graph(), nn.Module()
        self._nodes = WeakTensorKeyDictionary()
        self._made: set[int] = set()  # memory that came into being meanwhile
        self._draws: list[_Draw] = []
        self._drawn: list[Tensor] = []
        self._end_of_inputs = self._graph.create_node("call_function", operator.pos, (0,))
        for leaf in given:
            self._add_input(leaf)

    def __torch_dispatch__(
        self,
        func: Operation,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        options = kwargs or {}
        tensors = _tensors((args, options))
        result = func(*args, **options)
        self._whole &= not reads(func, tensors)
        self._made |= _places(_tensors(result)) - _places(tensors)
        if random(func):
            # It could neither come before the others nor leave the stream as it was when all is traced.
            self._whole &= not tensors and options.get("generator") is not None
            self._draws.append(_Draw(func, args, options))
            self._drawn.append(cast(Tensor, result))
            self._add_input(cast(Tensor, result))
        else:
            self._name(result, self._written(func, args, options))
        return result

    def end(self, result: Leaves) -> None:
        """Nothing follows: the function has returned `result`."""
        self._graph.output(tuple(self._node(leaf) for leaf in flatten(result)))
        self._graph.erase_node(self._end_of_inputs)

    def repeats(self, before: _Writer) -> bool:
        """Whether a replay would have done both times what the function did."""
        if not (self._whole and before._whole):
            return False
        ours, theirs = ([_place(buffer) for buffer in each._outside.buffers()] for each in (self, before))
        return str(self._graph) == str(before._graph) and self._draws == before._draws and ours == theirs

    def traced(self, given: list[Tensor], result: Leaves) -> _Replay | None:
        """What was written; to trace it runs once, and what it changed outside is put back.

        None if it holds an operation that the tracer does not know, of a part that is not ours.
        """
        module = GraphModule(self._outside, self._graph)
        outside = [*self._outside.buffers()]
        before = [tensor.clone() for tensor in outside]
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecated; sizes become constants
                traced = torch.jit.trace(module, (*given, *self._drawn), check_trace=False)
        except RuntimeError:
            return None
        finally:
            with torch.no_grad():
                for tensor, value in zip(outside, before, strict=True):
                    tensor.copy_(value)
        return _Replay(traced, self._draws, result)

    def _add_input(self, tensor: Tensor) -> None:
        with self._graph.inserting_before(self._end_of_inputs):
            self._nodes[tensor] = self._graph.placeholder(f"given_{len(self._graph.nodes)}")

    def _written(self, func: Operation, args: tuple[object, ...], options: dict[str, object]) -> Node:
        target, arguments = traceable(func, args)
        nodes = [map_aggregate(cast(Argument, tree), self._argument) for tree in (arguments, options)]
        return self._graph.call_function(
            target, cast(tuple[Argument, ...], nodes[0]), cast(dict[str, Argument], nodes[1])
        )

    def _argument(self, leaf: Argument) -> Argument:
        return self._node(leaf) if isinstance(leaf, Tensor) else leaf

    def _node(self, tensor: Tensor) -> Node:
        """Of a tensor that an operation has made, or of one from outside."""
        if tensor not in self._nodes:
            self._whole &= _place(tensor) not in self._made
            name = f"outside_{len(self._graph.nodes)}"
            self._outside.register_buffer(name, tensor.detach())
            self._nodes[tensor] = self._graph.get_attr(name)
        return self._nodes[tensor]

    def _name(self, result: object, node: Node) -> None:
        if isinstance(result, Tensor):
            self._nodes[result] = node
        elif isinstance(result, (tuple, list)):
            for index, part in enumerate(result):
                if isinstance(part, Tensor):
                    self._nodes[part] = self._graph.call_function(operator.getitem, (node, index))


def _tensors(tree: object) -> list[Tensor]:
    """Of a tree of arguments or results."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _places(tensors: list[Tensor]) -> set[int]:
    return {_place(tensor) for tensor in tensors if tensor.numel()}


def _place(tensor: Tensor) -> int:
    """Where in memory it lies."""
    return tensor.untyped_storage().data_ptr()
