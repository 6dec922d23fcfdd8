"""A stand-in for a CUDA graph on a CPU: it records the operators that a step dispatches, and repeats only those.

As a graph it knows nothing of Python: what a number, a branch or an attribute was when the step was recorded stays so,
and operators read and write the memory that they were recorded with, whatever has been put in the place of a tensor
since. Random operators draw fresh numbers. What ends a capture on a GPU ends one here: reading a value back, shapes
that depend on values, a random generator other than the default one.

It lies below autograd, autocast and the optimizer, whose operators are among those recorded.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from optlab.engine import graph

NOT_PERMITTED = "operation not permitted when stream is capturing"
READS_BACK = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
BY_FLAGS = ("index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_")  # of a shape unless by bools
# What reads a CPU's memory without an operator, and waits for a GPU.
LOOKS = {getattr(Tensor, name) for name in ("tolist", "numpy", "cpu", "__array__")}


class Operator(NamedTuple):
    """One that was dispatched, and where its results go: (its place among the results, the memory)."""

    function: OpOverload
    args: tuple[Any, ...]
    options: dict[str, Any]
    results: list[tuple[int, Tensor]]


class Recorded:
    """Stands where `CudaCapture` does.

    Attributes:
        operators: what a replay repeats.
        replays: how often it did.
    """

    made: "list[Recorded]"

    def __init__(self, device: torch.device) -> None:
        self.operators: list[Operator] = []
        self.replays = 0
        self.made.append(self)

    def warm_up(self, step: Callable[[], None]) -> None:
        for _ in range(graph.WARM_UPS):
            step()

    def capture(self, step: Callable[[], object]) -> None:
        """Record a step. What stood in memory before still stands there; what is new holds no numbers yet."""
        random = torch.get_rng_state()
        recording = Recording()
        try:
            with Looking(), recording:
                step()
        finally:
            recording.put_back()
            torch.set_rng_state(random)
        self.operators = recording.operators

    def replay(self) -> None:
        self.replays += 1
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            for function, args, options, results in self.operators:
                made = function(*args, **options)
                made = made if isinstance(made, (tuple, list)) else (made,)
                for place, memory in results:
                    memory.copy_(made[place])

    def abandon(self) -> None:
        self.operators.clear()


class Looking(TorchFunctionMode):
    """Refuses what would wait for a GPU and reaches no dispatcher on a CPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in LOOKS:
            raise RuntimeError(NOT_PERMITTED)
        return func(*args, **(kwargs or {}))


class Recording(TorchDispatchMode):
    """Keeps each operator with the memory that it works on, and undoes what they do."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: list[Operator] = []
        self.own: dict[int, Tensor] = {}  # memory made by these operators, by its address
        self.before: dict[
            int, tuple[Tensor, torch.UntypedStorage]
        ] = {}  # other memory, as it was when first written to

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        refuse(func, args, kwargs)
        for place, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                self.keep(args[place] if place < len(args) else kwargs.get(argument.name))
        # Aliases: a tensor may be given other memory later (`p.data = ...`), of which a graph would not know.
        aliases, options = tree_map_only(Tensor, torch.Tensor.detach, (args, kwargs))
        results = func(*args, **kwargs)
        made = results if isinstance(results, (tuple, list)) else (results,)
        known = {id(each) for each in tensors_of((args, kwargs))}
        memory = {address(each) for each in tensors_of((args, kwargs))}
        fresh = [
            (place, each.detach())
            for place, each in enumerate(made)
            if isinstance(each, Tensor) and id(each) not in known and address(each) not in memory
        ]
        if func is torch.ops.aten.lift_fresh.default:  # a constant of Python, which the graph holds
            return results
        self.own |= {address(each): each for _, each in fresh}
        if fresh or func._schema.is_mutable:
            self.operators.append(Operator(func, aliases, options, fresh))
        return results

    def keep(self, value: Any) -> None:
        for each in tensors_of(value):
            if address(each) not in self.own and address(each) not in self.before:
                self.before[address(each)] = (each.detach(), each.untyped_storage().clone())

    def put_back(self) -> None:
        for tensor, copy in self.before.values():
            tensor.untyped_storage().copy_(copy)
        for tensor in self.own.values():
            if tensor.is_floating_point():
                tensor.fill_(torch.nan)


def refuse(func: OpOverload, args: Any, kwargs: Any) -> None:
    """Raise what a capture raises."""
    name = func._schema.name.removeprefix("aten::")
    if name in BY_FLAGS:
        flags = (torch.bool, torch.uint8)
        refused = any(each.dtype in flags for each in tensors_of(args[1]))
    else:
        refused = any(tag in func.tags for tag in READS_BACK)
    if refused:
        raise RuntimeError(NOT_PERMITTED)
    for each in (*args, *kwargs.values()):
        if isinstance(each, torch.Generator) and each is not torch.default_generator:
            raise RuntimeError("Offset increment outside graph capture encountered unexpectedly.")


def tensors_of(values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    tree_map_only(Tensor, found.append, values)
    return found


def address(tensor: Tensor) -> int:
    """Of the memory, which views share; two without any share nothing that could be written to."""
    return tensor.untyped_storage().data_ptr()
