"""A part of the config as a frozen, typed object, and one clear line for what does not fit it.

Light: neither torch nor Lightning nor Hydra is imported here.
"""

import math
import types
from collections.abc import Iterator, Mapping
from copy import deepcopy
from inspect import isclass
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, PrivateAttr, ValidationError, model_validator
from pydantic.fields import FieldInfo

from optlab.config.signature import check_value, wanted
from optlab.errors import UserError
from optlab.rules.commands import program

LARGEST = 2**63 - 1  # of the whole numbers that torch and NumPy take


class Node(BaseModel):
    """Keys of the config with their types and bounds, which a subclass declares as fields.

    A key without a default must be there; the description of a field ends the line about a bad value.
    Code reads the fields. `plain` has the values as they were composed, to be hashed, stored or passed on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    words: ClassVar[str] = "keys with values"  # what it is, in a message about something else in its place
    _plain: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def parse(cls, values: Mapping[str, Any], path: str = "") -> Self:
        """The node with these values.

        Args:
            values: plain containers, as `optlab.config.resolve` gives them; they are copied.
            path: what stands before a key in a message, such as `hydra.sweeper.`.

        Raises:
            UserError: an unknown key, a missing one, a value of another type or outside its bounds, or anywhere a
                number that is not finite or takes more than 64 bits.
        """
        values = deepcopy(dict(values))
        check_numbers(values, path)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            complain(cls, values, path)
            raise UserError(f"{path or 'config'}: {' '.join(str(error).split())}") from error

    @model_validator(mode="wrap")
    @classmethod
    def _keep_plain(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        node = handler(values)
        if node is not values:
            node._plain = values
        return node

    @property
    def plain(self) -> dict[str, Any]:
        """The values exactly as they were composed: 1 stays 1 where a float is declared. Not to be changed."""
        return self._plain

    def with_(self, **changes: Any) -> Self:
        """The node with other values for some keys, checked as the first ones were; a value may be a node."""
        return self.parse(self.plain | {key: plain_of(value) for key, value in changes.items()})

    @classmethod
    def unknown(cls, path: str, key: str) -> str:
        """The line about a key that is not declared."""
        return f"{path}{key}: there is no such key; known: {', '.join(fields(cls)) or 'none'}"


def plain_of(value: Any) -> Any:
    """The value with every node in it as the plain dict that it was made of."""
    if isinstance(value, Node):
        return value.plain
    if isinstance(value, Mapping):
        return {key: plain_of(each) for key, each in value.items()}
    return value


def fields(node: type[Node]) -> dict[str, FieldInfo]:
    """What a node declares, by the keys as they stand in the config."""
    return {field.alias or name: field for name, field in node.model_fields.items()}


def check_numbers(values: Mapping[str, Any], path: str) -> None:
    """Raise UserError for a number that no key has a use for, wherever it stands and whoever declares it."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            check_numbers(value, f"{path}{key}.")
            continue
        for number in numbers_in(value):
            if isinstance(number, int):
                if not -LARGEST <= number <= LARGEST:
                    raise UserError(f"{path}{key}={value}: must fit into 64 bits, so at most {LARGEST}")
            elif not math.isfinite(number):
                words = "finite numbers" if isinstance(value, list) else "a finite number"
                raise UserError(f"{path}{key}={value}: must be {words}")


def numbers_in(value: Any) -> Iterator[int | float]:
    """The number, or those in a list of lists."""
    if isinstance(value, list):
        for each in value:
            yield from numbers_in(each)
    elif isinstance(value, (int, float)):
        yield value


def complain(node: type[Node], values: Mapping[str, Any], path: str) -> None:
    """Raise UserError for the first thing that does not fit: an unknown key, a group that is none, then key by key."""
    declared = fields(node)
    strangers = sorted(str(key) for key in values if key not in declared)
    if strangers and node.model_config["extra"] == "forbid":
        raise UserError(node.unknown(path, strangers[0]))
    for key, field in declared.items():
        is_group = node_in(field.annotation) or get_origin(field.annotation) is dict
        if is_group and field.is_required() and not isinstance(values.get(key), Mapping):
            raise UserError(f"{path}{key} is missing; type {path}{key}=OPTION ({program()} --help lists them)")
    for key, field in declared.items():
        if key in values:
            hint: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            try:
                complain_of(hint, values[key], f"{path}{key}")
            except UserError as error:
                raise UserError("; ".join(filter(None, [str(error), field.description]))) from error.__cause__
        elif field.is_required():
            raise UserError(f"{path}{key} is missing; type {path}{key}=VALUE")


def complain_of(hint: Any, value: Any, path: str) -> None:
    """Raise UserError where a value does not fit the type hint of its field."""
    if get_origin(hint) is dict and isinstance(value, Mapping):
        for key, each in value.items():
            complain_of(get_args(hint)[1], each, f"{path}.{key}")
    elif (node := node_in(hint)) is None:
        check_value(path, value, hint)
    elif isinstance(value, Mapping):
        complain(node, value, f"{path}.")
    elif value is not None or types.NoneType not in get_args(hint):
        raise UserError(f"{path}={'null' if value is None else value}: must be {wanted(hint)}")


def node_in(hint: Any) -> type[Node] | None:
    """The kind of node that a type hint asks for: `Callback` for `Callback | None`."""
    return next((each for each in (hint, *get_args(hint)) if isclass(each) and issubclass(each, Node)), None)
