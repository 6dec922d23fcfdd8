"""The files in conf/dataset: every option is whole, typed and says what it is."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from omegaconf import OmegaConf
from pydantic import TypeAdapter, ValidationError

from optlab.data import Source, digits, image_folder
from optlab.data.augment import AUGMENTATIONS

FOLDER = Path(__file__).parents[2] / "conf" / "dataset"
OPTIONS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
WHOLE = [option for option in OPTIONS if option != "torch"]  # which calls what is typed
COMMON = {"val_size", "split_seed", "train_split", "augment"}


def load(option: str) -> dict[str, Any]:
    config = OmegaConf.to_container(OmegaConf.load(FOLDER / f"{option}.yaml"))
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def target(config: dict[str, Any]) -> Callable[..., Source]:
    module, name = config["_target_"].rsplit(".", 1)
    function: Callable[..., Source] = getattr(importlib.import_module(module), name)
    return function


def check(function: Callable[..., Source], argument: str, value: object) -> None:
    TypeAdapter(get_type_hints(function, include_extras=True)[argument]).validate_python(value, strict=True)


@pytest.mark.parametrize("option", WHOLE)
def test_an_option_names_itself_and_every_argument_of_its_function(option: str) -> None:
    config = load(option)
    assert config["name"] == option
    assert config.keys() >= COMMON
    arguments = inspect.signature(target(config)).parameters
    assert all(p.kind is p.KEYWORD_ONLY for p in arguments.values())
    assert set(arguments) <= config.keys()
    assert config.keys() - COMMON - {"name", "_target_"} <= set(arguments)
    assert config["augment"] in AUGMENTATIONS


@pytest.mark.parametrize("option", WHOLE)
def test_the_values_of_an_option_fit_the_arguments(option: str) -> None:
    config = load(option)
    for argument in inspect.signature(target(config)).parameters:
        check(target(config), argument, config[argument])


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_says_what_it_is_in_its_first_line(option: str) -> None:
    lines = (FOLDER / f"{option}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[0].endswith(".")
    assert max(map(len, lines)) <= 130


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("image_size", "big"),
        ("image_size", 0),
        ("image_size", [32, 32, 3]),
        ("channels", 2),
        ("test_size", 1.5),
        ("test_size", "0.2"),
        ("split_seed", -1),
        ("mean", "0.5"),
        ("std", [0.2, -0.2, 0.2]),
        ("root", 3),
    ],
)
def test_a_value_of_the_wrong_kind_does_not_fit(argument: str, value: object) -> None:
    with pytest.raises(ValidationError):
        check(image_folder, argument, value)


def test_the_mean_and_std_of_digits_are_those_of_its_training_images() -> None:
    config, measured = load("digits"), digits().info
    assert measured.mean == pytest.approx(config["mean"], abs=1e-4)
    assert measured.std == pytest.approx(config["std"], abs=1e-4)
