"""Values from config against the signature of the class or function that they are for, in words for a person."""

import importlib
import inspect
import traceback
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from optlab.config import places
from optlab.errors import UserError
from optlab.record import shortest
from optlab.rules.nearest import nearest

NOT_ARGUMENTS = ("name", "_target_", "_convert_")  # keys of a group's option that its callable never sees


def locate(group: str, path: object) -> Callable[..., Any]:
    """The class or function at a dotted path.

    Raises:
        UserError: there is no such module or name.
    """
    name = str(path)
    parts = name.split(".")
    if len(parts) < 2 or not all(parts):
        raise UserError(f"{group}._target_={path}: cannot be imported; type package.module.Class")
    try:
        length, found = longest_module(parts)
    except Exception as error:  # whatever the code of a module raises
        said = not_imported(name.rpartition(".")[0], error)
        raise UserError(f"{group}._target_={path}: cannot be imported ({said})") from error
    for number in range(length, len(parts)):
        if not hasattr(found, parts[number]):
            raise UserError(f"{group}._target_={path}: {lacks(found, parts, number)}")
        found = getattr(found, parts[number])
    return typing.cast(Callable[..., Any], found)


def longest_module(parts: Sequence[str]) -> tuple[int, Any]:
    """How many parts of a dotted path name a module, at most all but the last, and that module.

    Raises:
        Exception: whatever the module raises, and ModuleNotFoundError where even the first part is none.
    """
    for length in range(len(parts) - 1, 1, -1):
        try:
            return length, importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            # A class may stand where a module was looked for (`module.Outer.Inner`): then what is before it is asked.
            if not (error.name or "").startswith(f"{'.'.join(parts[: length - 1])}."):
                raise
    return 1, importlib.import_module(parts[0])


def not_imported(module: str, error: Exception) -> str:
    """Why a module of the user's could not be imported, with the file and line where that is known."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == module.partition(".")[0]:
        places = ", ".join(shortened(folder) for folder in searched())
        close = nearest(module, [file.stem for each in searched() for file in each.glob("*.py")])
        hint = f"; did you mean {close[0]}?" if close and close[0] != module else ""
        return f"No module named {error.name!r} in {places}, nor installed{hint}"
    what = " ".join(f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}".split())
    if isinstance(error, SyntaxError) and error.filename:
        return f"{what}, in {shortened(Path(error.filename))}:{error.lineno}"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "importlib" not in each.filename]
    last = frames[-1] if len(frames) > 1 else None  # the first is the one here
    return f"{what}, in {shortened(Path(last.filename))}:{last.lineno}" if last is not None else what


def lacks(found: Any, parts: Sequence[str], number: int) -> str:
    """`mynet (mynet.py) has no 'Nte'; did you mean mynet.Net?`"""
    file = getattr(found, "__file__", None)
    own = any((folder / f"{parts[0]}.py").exists() for folder in searched())  # perhaps hidden by what is installed
    where = f" ({shortened(Path(file))})" if file and own else ""
    before = ".".join(parts[:number])
    close = nearest(parts[number], dir(found))
    hint = f"; did you mean {'.'.join([before, close[0], *parts[number + 1 :]])}?" if close else ""
    return f"{before}{where} has no {parts[number]!r}{hint}"


def searched() -> list[Path]:
    """The folders where modules of the user's are looked for."""
    return [Path(folder) for folder in places.current().import_paths]


def shortened(path: Path) -> str:
    """A path as it is said to a person: `.` for where one stands."""
    return str(shortest(path.absolute()))


def check_call(
    group: str, options: Mapping[str, Any], *, function: Callable[..., Any] | None = None, given: Iterable[str] = ()
) -> None:
    """Check the options of a group against what its class or function takes.

    Args:
        group: for the message: `dataset.val_size=...`.
        options: a group's config; `_target_` names the callable unless `function` gives it.
        given: arguments that the program adds.

    Raises:
        UserError: an unknown argument (the known ones are listed), a value of another type, a missing argument.
    """
    target = function or locate(group, options.get("_target_"))
    try:
        parameters = inspect.signature(target).parameters
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    except (NameError, TypeError, ValueError):  # a compiled or oddly annotated callable shows no signature
        return
    named = {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) and name not in {"self", *given}
    }
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for key, value in options.items():
        if key in NOT_ARGUMENTS:
            continue
        if key not in named and not takes_any:
            raise UserError(unknown_argument(group, target, key, sorted(named)))
        if key in hints and not may_be_made(value, hints[key]):
            check_value(f"{group}.{key}", value, hints[key])
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in options:
            raise UserError(f"{group}.{name} is missing; type {group}.{name}=VALUE")


def may_be_made(value: Any, hint: Any) -> bool:
    """Whether a value is the config of an object (`_target_`), where an object other than plain data is taken."""
    if not (isinstance(value, Mapping) and "_target_" in value):
        return False
    return any(part is Any or getattr(part, "__module__", "builtins") != "builtins" for part in parts_of(hint))


def parts_of(hint: Any) -> Iterator[Any]:
    """The types that a hint is made of: `list[int] | None` of list, int and None."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return
    if origin is Annotated:
        inner = inner[:1]
    if origin is None:
        yield hint
    for each in inner:
        yield from parts_of(each)


def check_value(path: str, value: Any, hint: Any) -> None:
    """Raise UserError unless the value at `path` of the config fits a type hint; a list may stand for a tuple."""
    try:
        adapter = adapter_of(hint)
    except TypeError:  # annotated with something that cannot be a key of the cache
        adapter = adapter_of.__wrapped__(hint)
    if adapter is None:
        return  # a type that pydantic does not know: the callable itself will check
    forms = [value, tuple(value)] if isinstance(value, list) else [value]
    problems: list[ValidationError] = []
    for form in forms:
        try:
            adapter.validate_python(form)
        except ValidationError as error:
            problems.append(error)
        else:
            return
    errors = problems[-1].errors()
    ranges = [in_range(each["msg"]) for each in errors if each["type"].startswith(("greater", "less"))]
    own = [str(each["ctx"]["error"]) for each in errors if each["type"] == "value_error"]  # of a validator: its words
    allowed = " or ".join(dict.fromkeys(ranges or own)) or wanted(hint)
    raise UserError(f"{path}={'null' if value is None else value}: must be {allowed}") from problems[-1]


@cache
def adapter_of(hint: Any) -> TypeAdapter[Any] | None:
    """What validates values against a type hint; None for a type that pydantic does not know."""
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True, strict=True))
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeError):
        return None


def in_range(message: str) -> str:
    """Pydantic's bound in words: "greater than or equal to 1" is "1 or more"."""
    relation, _, bound = message.removeprefix("Input should be ").rpartition(" ")
    words = {
        "greater than or equal to": "{} or more",
        "less than or equal to": "at most {}",
        "greater than": "above {}",
    }
    return words.get(relation, "below {}").format(bound)


def wanted(hint: Any) -> str:
    """A type hint in words: `float | None` is "a number or null"."""
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text", types.NoneType: "null"}
    words |= {dict: "keys with values"}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return wanted(inner[0])
    if origin is Literal:
        typed = [str(each).lower() if isinstance(each, bool) else str(each) for each in inner]
        return f"one of {', '.join(typed)}" if len(typed) > 1 else typed[0]
    if origin in (typing.Union, types.UnionType):
        parts = dict.fromkeys(wanted(part) for part in inner if getattr(part, "__name__", "") != "Tensor")
        return " or ".join(parts)
    if origin is tuple and Ellipsis not in inner:
        return f"a list of {len(inner)} values, each {wanted(inner[0])}"
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return f"a list, each {wanted(inner[0])}" if inner else "a list"
    return words.get(origin or hint, getattr(hint, "words", getattr(hint, "__name__", str(hint))))


def unknown_argument(group: str, target: Callable[..., Any], key: str, names: Sequence[str]) -> str:
    """`optimizer.beta: Adam takes no 'beta'; it takes lr, betas, ...; did you mean betas?`"""
    close = nearest(key, names)
    hint = f"did you mean {group}.{close[0]}?" if close else f"~{group}.{key} leaves it out"
    name = getattr(target, "__qualname__", str(target)).removesuffix(".__init__")
    return f"{group}.{key}: {name} takes no {key!r}; it takes {', '.join(names) or 'no arguments'}; {hint}"
