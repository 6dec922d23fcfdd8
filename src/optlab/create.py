"""Objects from config: Hydra's `instantiate`, with errors as the called class or function raised them."""

from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate


def create(options: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Call `options["_target_"]` with the other keys as keyword arguments; lists and dicts arrive as plain ones.

    `name`, by which a config group calls its option, is no argument.
    """
    options = {key: value for key, value in options.items() if key != "name"}
    try:
        return instantiate(options, *args, **kwargs, _convert_="all")
    except InstantiationException as error:
        if error.__cause__ is None:
            raise
        raise error.__cause__ from None
