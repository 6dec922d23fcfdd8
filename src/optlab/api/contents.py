"""A hash of what an object is: its code and its state, the same in every process.

Not of its source text, which a notebook has none of for its classes; and not of what can be imported, which its path
names. Code takes in the functions, classes and plain values of its own program that it uses by name: a changed helper
makes another object.
"""

import hashlib
import inspect
import pickle
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from torch import Tensor

DIGITS = 8  # of a hash, in a path
PLAIN = (str, int, float, bool, bytes, Path, type(None))
UNTOLD = ("__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__")


def digest(thing: Any) -> str:
    """A few hex digits of an object's code and state: another program text is another object.

    Raises:
        Exception: whatever its own code raises, or pickle for a state that cannot be written, as an open file.
    """
    return _hash_of(thing, frozenset())[:DIGITS]


def path_of(thing: Any) -> str:
    """The shortest dotted path by which any process can import this very class or function; "" where there is none."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    if not module or module == "__main__" or "." in name or not name.isidentifier():
        return ""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        if any(part.startswith("_") for part in parts[:end]):
            break
        if getattr(sys.modules.get(path), name, None) is thing:
            return f"{path}.{name}"
    return ""


Inside = frozenset[int]  # what is being hashed already: classes and functions name themselves


def _hash_of(thing: Any, inside: Inside) -> str:
    found = hashlib.sha256()
    _State(found, inside).dump(thing)
    return found.hexdigest()


class _Written:
    """Where a pickle goes: nothing of it is kept."""

    def __init__(self, found: Any) -> None:
        self.write = found.update


class _State(pickle.Pickler):
    """Pickles for their hash alone: tensors by their values, sets in order, code that lies in no module by itself."""

    def __init__(self, found: Any, inside: Inside) -> None:
        super().__init__(_Written(found), protocol=5)
        self.inside = inside

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            values = obj.detach().cpu().contiguous().reshape(-1)
            return "tensor", str(obj.dtype), tuple(obj.shape), hashlib.sha256(_bytes_of(values)).hexdigest()
        if isinstance(obj, (set, frozenset)):
            return "set", sorted(_hash_of(each, self.inside) for each in obj)
        if isinstance(obj, ModuleType):
            return "module", obj.__name__
        if inspect.isclass(obj) or isinstance(obj, FunctionType):
            path = path_of(obj) or (id(obj) in self.inside and obj.__qualname__)
            return "code", path or list(content_of(obj, self.inside | {id(obj)}))
        return None


def _bytes_of(values: Tensor) -> Any:
    import torch

    return values.view(torch.uint8).numpy().data if values.numel() else b""


def content_of(thing: Any, inside: Inside) -> Iterator[str]:
    """What a class or function is: its code without what others wrote."""
    if not inspect.isclass(thing):
        yield from _code_of(thing.__code__)
        cells = [cell.cell_contents for cell in thing.__closure__ or () if _is_full(cell)]
        defaults = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        for each in (*defaults, *cells):
            yield from _member(each, inside)
        yield from _used(thing, inside)
        return
    for each in thing.__mro__:
        if not path_of(each):
            yield each.__qualname__
            for name, value in sorted(vars(each).items()):
                yield name
                yield from () if name in UNTOLD else _member(value, inside)


def _member(value: Any, inside: Inside) -> Iterator[str]:
    function = getattr(value, "__func__", value)
    parts = [function.fget, function.fset] if isinstance(function, property) else [function]
    for part in parts:
        try:
            yield _hash_of(part, inside)
        except Exception:  # whatever its own code raises; of descriptors, locks and such only the kind is known
            yield type(part).__qualname__


def _used(function: FunctionType, inside: Inside) -> Iterator[str]:
    """What a function uses by name of the program around it."""
    for name in sorted(set(_names(function.__code__)) & function.__globals__.keys()):
        value = function.__globals__[name]
        own = (inspect.isclass(value) or isinstance(value, (FunctionType, partial))) and not path_of(value)
        if own or isinstance(value, PLAIN):
            yield name
            yield _hash_of(value, inside)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        yield from _names(constant) if isinstance(constant, CodeType) else ()


def _code_of(code: CodeType) -> Iterator[str]:
    yield repr((code.co_code, code.co_names, code.co_varnames))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_of(constant)
        else:
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # an empty one
        return False
