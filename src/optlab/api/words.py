"""Keyword arguments as the words of the command line: `optimizer="adam", lr="cosine"` is `optimizer=adam lr=cosine`.

A group takes the name of an option, or a dict with the keys below it (`name` chooses the option). Keys of several
parts are dicts, or dotted (`**{"optimizer.lr": 0.1}`). Where a group or key takes objects, see `objects`.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from optlab.api import objects
from optlab.config.places import groups
from optlab.errors import UserError

BARE = re.compile(r"[A-Za-z_/.][\w./:+-]*", re.A)


def words_of(settings: Mapping[str, Any], *, several: bool = False) -> list[str]:
    """The words of some settings.

    Args:
        several: a list is several values to compare, a tuple or a list within a dict is one value; else a list is a
            value like any other.

    Raises:
        UserError: a value that no config can hold.
    """
    return [word for key, value in settings.items() for word in words_for(key, value, several=several)]


def words_for(key: str, value: Any, *, several: bool) -> Iterator[str]:
    if several and isinstance(value, list):
        if not value:
            raise UserError(f"{key}=[]: nothing to compare; give some values, or leave it out")
        yield f"{key}={','.join(one_value(key, each) for each in value)}"
    elif objects.is_object(key, value):
        named = objects.as_words(key, value)
        yield from [f"{key}={objects.as_option(key, value)}"] if named is None else words_of(dict(named))
    elif isinstance(value, Mapping) and value:
        below = dict(value)
        if key in groups() and "name" in below:
            yield f"{key}={one_value(key, below.pop('name'))}"
        for name, each in below.items():
            yield from words_for(f"{key}.{name}", each, several=False)
    else:
        yield f"{key}={one_value(key, value)}"


def one_value(key: str, value: Any) -> str:
    """A value as it stands behind `key=`."""
    if objects.is_object(key, value):
        return objects.as_option(key, value)
    return written(key, value)


def written(key: str, value: Any) -> str:
    """A plain value in Hydra's grammar.

    Raises:
        UserError: it is none that a config can hold.
    """
    if isinstance(value, Enum):
        value = value.value
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a number of NumPy or torch
        value = value.item()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, Path)):
        text = str(value)
        return text if BARE.fullmatch(text) else quoted(text)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(written(key, each) for each in value)}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{written(key, str(k))}:{written(key, v)}' for k, v in value.items())}}}"
    raise UserError(
        f"{key}: {type(value).__name__} cannot stand in a config; give a name, a number, a list or a dict, or one of "
        f"{', '.join(objects.GROUPS)} as an object"
    )


def quoted(text: str) -> str:
    """A text in Hydra's quotes, whatever it holds."""
    inside = re.sub(r"(\\*)(?='|$)", r"\1\1", text).replace("'", r"\'")
    return f"'{inside}'"
