"""The config: composing it without a command line, and resolving it to plain containers; `schema` types these.

Hydra is imported where something is composed: to read a config that stands on disk takes none.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from optlab import objects
from optlab.config import places
from optlab.config.places import CONFIG_FOLDER
from optlab.errors import UserError

__all__ = ["CONFIG_FOLDER", "compose", "resolve"]


def compose(
    overrides: Sequence[str] = (), config_name: str = places.CONFIG_NAME, config_dir: str | Path | None = None
) -> DictConfig:
    """The config that `python train.py OVERRIDES` composes, for notebooks and tests.

    `run(compose(["optimizer=sgd", "seed=1"]))` trains one run. The options of `./conf` and of `config_dir` count, too,
    and modules that lie beside these folders can be named from now on.

    Raises:
        UserError: a folder that is missing, or a word that cannot be used.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    from optlab.adapters.hydra import forget, offering
    from optlab.adapters.process import import_from
    from optlab.config.changes import composing
    from optlab.config.overrides import places_of

    forget()
    flags = [f"--config-dir={config_dir}"] if config_dir is not None else []
    flags += [f"--config-name={config_name}"] if config_name != places.CONFIG_NAME else []
    found = places_of([*flags, *overrides])
    if found.users:
        import_from(found.import_paths)
    places.use(found if found.words else None)  # a run of this config asks for its options again
    with (
        composing(found),
        offering(objects.all_options()),
        initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"),
        in_one_line(overrides) as words,
    ):
        return hydra_compose(config_name, overrides=words)


@contextmanager
def in_one_line(words: Sequence[str]) -> Iterator[list[str]]:
    """The words prepared for Hydra, and UserError, as the command line has it, where they cannot be used."""
    from hydra.errors import HydraException

    from optlab.config.mistakes import explain
    from optlab.config.overrides import prepare

    try:
        yield prepare(words)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, words)) from None


def resolve(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The config as plain dicts, lists, strings and numbers, every interpolation resolved.

    Raises:
        UserError: a mandatory value is missing, or an interpolation names nothing.
    """
    if not isinstance(cfg, DictConfig):
        return dict(cfg)
    try:
        config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = error.full_key
        raise UserError(f"{key} is missing; type {key}=VALUE") from error
    except OmegaConfBaseException as error:
        raise UserError(
            f"{error.full_key or 'config'}: {str(error).splitlines()[0]}; type a value, or ${{KEY}} with a key of the "
            "config that has one"
        ) from error
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}
