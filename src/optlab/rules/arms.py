"""What a study compares: an arm is one option of each group that is crossed, and its name joins them."""

from collections.abc import Collection, Mapping

FACTORS = ("dataset", "model", "optimizer", "lr")  # what a study may cross, in the order of an arm's name


def factors_of(arm: Mapping[str, object]) -> dict[str, str]:
    """The factors in an arm of protocol.yaml or study.json, which holds more beside them."""
    return {group: str(arm[group]) for group in FACTORS if group in arm}


def arm_name(factors: Mapping[str, str]) -> str:
    """`adam`, or `adam, cosine` where schedules are compared too."""
    return ", ".join(factors[group] for group in FACTORS if group in factors)


def arm_words(factors: Mapping[str, str]) -> tuple[str, ...]:
    """The overrides that make a run one of the arm's."""
    return tuple(word for group in FACTORS if group in factors for word in words_of(group, factors[group]))


def words_of(group: str, option: str) -> tuple[str, ...]:
    """What chooses an option of a group by its name, or a class (`package.Class`) in its place."""
    if "." not in option:
        return (f"{group}={option}",)
    # optimizer=custom is what optimizer._target_ alone stands for on a command line.
    return (
        ("optimizer=custom", f"++{group}._target_={option}")
        if group == "optimizer"
        else (f"{group}._target_={option}",)
    )


def has_run(factors: Mapping[str, str], typed: Collection[str]) -> bool:
    """Whether a run of these overrides is one of the arm's."""
    return bool(factors) and set(arm_words(factors)) <= set(typed)
