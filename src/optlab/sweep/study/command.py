"""What a study's command line means: what is compared, and what holds for every run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from optlab.adapters.hydra import Override
from optlab.config.groups import options as options_of
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.record import run_id
from optlab.rules.arms import FACTORS, arm_words
from optlab.rules.space import Space, beta
from optlab.sweep.study.options import Options
from optlab.sweep.study.protocol import Arm, Protocol
from optlab.sweep.study.samplers import choose_sampler
from optlab.sweep.study.stopping import stopping_of

OF_THE_SWEEP = ("sweep", "retry", "dry_run", "report.live", "trainer.threads")  # words that are no part of the plan
SET_BY_THE_STUDY = {
    "seed": "type hydra.sweeper.tuning_seeds=2 and hydra.sweeper.confirmation_seeds=5, or lists of seeds",
    "until": "to stop trials that are behind type hydra.sweeper.stopping=halving",
    "phase": "leave it out",
    "protocol": "leave it out",
    "ckpt": "leave it out; a study that was stopped goes on with the same command",
}


Compose = Callable[[Sequence[str]], Config]


class Command(NamedTuple):
    """A command line, taken apart."""

    factors: dict[str, list[str]]  # the options of each group that is compared
    shared: list[str]  # overrides for every run
    sweep: list[str]  # overrides that are about the sweep


def read(overrides: Iterable[Override], params: Iterable[Override] = ()) -> Command:
    """Take a command line apart.

    Args:
        overrides: what was typed.
        params: sweeps that a preset brings along; what was typed goes before.

    Raises:
        UserError: a sweep over something that a study holds constant, or a key that the study itself sets.
    """
    words = list(overrides)
    taken = {override.key_or_group.removesuffix("._target_") for override in words}
    command = Command({}, [], [])
    for override in [*(each for each in params if each.key_or_group not in taken), *words]:
        key, line = override.key_or_group, str(override.input_line)
        group = key.removesuffix("._target_")
        if key in SET_BY_THE_STUDY:
            raise UserError(f"{line}: a study sets {key} itself; {SET_BY_THE_STUDY[key]}")
        if not override.is_sweep_override() and key == "optimizer":
            command.factors[key] = [str(override.value())]
        elif not override.is_sweep_override():
            (command.sweep if key in OF_THE_SWEEP else command.shared).append(line)
        elif group not in FACTORS:
            raise UserError(f"{line}: {refusal(key)}")
        elif not override.is_discrete_sweep():
            raise UserError(f"{line}: an interval is no list of options; type {key}=a,b")
        elif command.factors.get(group, ["custom"]) != ["custom"]:
            raise UserError(
                f"{line}: {group}={','.join(command.factors[group])} is compared already; to compare a class with "
                f"options give it a yaml file in conf/{group}, and type its name among theirs"
            )
        else:
            command.factors[group] = [str(each) for each in override.sweep_string_iterator()]
    return command


def refusal(key: str) -> str:
    if key.startswith("optimizer."):
        return (
            f"a study takes values from the optimizer's search space; another space: "
            f"'hydra.sweeper.spaces={{adam:{{{key.removeprefix('optimizer.')}:{{low:1e-4,high:1e-2,scale:log}}}}}}'"
        )
    return f"a study compares {', '.join(FACTORS)} and holds {key} constant; type one value, and one sweep for each"


def combinations(factors: Mapping[str, Sequence[str]], choices: Mapping[str, Any]) -> list[tuple[tuple[str, str], ...]]:
    """Every arm's factors; the optimizer is always among them, the rest only where it is compared.

    Args:
        choices: the option of each group that the config composed to, for an optimizer that was not typed.
    """
    options = {"optimizer": [str(choices["optimizer"])], **factors}
    arms: list[tuple[tuple[str, str], ...]] = [()]
    for group in FACTORS:
        if group in options:
            arms = [(*arm, (group, option)) for arm in arms for option in options[group]]
    return arms


def build(command: Command, options: Options, choices: Mapping[str, Any], compose: Compose) -> Protocol:
    """The plan of the study that a command line asks for.

    Args:
        options: the settings of the sweeper; the sampler and the metric are filled in.
        choices: see `combinations`.
        compose: from an override list to its config.

    Raises:
        UserError: a space that cannot be used, a typed value for what is to be tuned, metrics that disagree.
    """
    check_spaces(options, command.factors.get("optimizer", ()))
    arms = []
    configs = []
    metric: str | None = None
    for factors in combinations(command.factors, choices):
        config = compose([*command.shared, *arm_words(dict(factors))])
        space = space_of(dict(factors)["optimizer"], config.optimizer.plain, options)
        check_not_typed(command.shared, space, config.optimizer.plain)
        metric = config.metric
        configs.append(config)
        arms.append(Arm(factors, space, config.optimizer.plain, run_id(config.plain)))
    if None not in (metric, options.metric) and metric != options.metric:
        raise UserError(f"metric={metric} and hydra.sweeper.metric={options.metric}: type one of them")
    dimensions = max(len(arm.space.ranges) for arm in arms)
    sampler = choose_sampler(options.sampler, dimensions, options.trials) if dimensions else options.sampler
    shared = tuple(line for line in command.shared if not line.startswith("metric="))
    options = options.with_(sampler=sampler, metric=options.metric or metric)
    return Protocol(options, tuple(arms), shared, stopping_of(options, configs, tuned=dimensions > 0))


def check_spaces(options: Options, compared: Sequence[str]) -> None:
    known = [*options_of("optimizer"), *(name for name in compared if "." in name)]
    if unknown := [name for name in options.spaces or {} if name not in known]:
        raise UserError(f"hydra.sweeper.spaces.{unknown[0]}: there is no such optimizer; known: {', '.join(known)}")


def space_of(option: str, optimizer: Mapping[str, Any], options: Options) -> Space:
    """The space of an optimizer: the study's own, or the track of its yaml."""
    if option in (own := options.spaces or {}):
        return Space.parse(f"hydra.sweeper.spaces.{option}", own[option], optimizer)
    search = optimizer.get("search") or {}
    if options.track not in search:
        has = f"it has {', '.join(search)}" if search else "it has none"
        raise UserError(
            f"hydra.sweeper.track={options.track}: conf/optimizer/{option}.yaml has no such search space; {has}; "
            f"or give it one with hydra.sweeper.spaces"
        )
    return Space.parse(f"{option}: search.{options.track}", search[options.track] or {}, optimizer)


def check_not_typed(shared: Sequence[str], space: Space, optimizer: Mapping[str, Any]) -> None:
    """Raise UserError for a value on the command line that the study would set."""
    for line in shared:
        key = line.lstrip("+~").partition("=")[0]
        for name in space.to_dict():
            if key in (f"optimizer.{name}", f"optimizer.{beta(name, optimizer)[0]}"):
                raise UserError(
                    f"{line}: the study tunes {name}; leave it out, or fix it for an optimizer with "
                    f"'hydra.sweeper.spaces={{adam:{{{name}:VALUE}}}}'"
                )
