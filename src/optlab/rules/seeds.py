"""The seeds of a study's two phases. (Random streams are the business of `optlab.seeds`.)"""

from optlab.errors import UserError


def more_seeds(tuning: list[int], confirmation: list[int], n: int) -> int | list[int]:
    """What gives a study `n` confirmation seeds, those that it has among them: their number where they count up."""
    if confirmation == list(seeds_of(tuning, len(confirmation))[1]):
        return n
    start = max([*tuning, *confirmation]) + 1
    return [*confirmation, *range(start, start + n - len(confirmation))]


def seeds_of(tuning: int | list[int], confirmation: int | list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The seeds of the two phases; a number of seeds counts from 0, and confirmation goes on above tuning.

    Raises:
        UserError: an empty list, a seed named twice, or one that stands in both.
    """
    first = tuple(range(tuning)) if isinstance(tuning, int) else tuple(tuning)
    start = max(first, default=-1) + 1
    second = tuple(range(start, start + confirmation)) if isinstance(confirmation, int) else tuple(confirmation)
    for name, seeds in (("tuning_seeds", first), ("confirmation_seeds", second)):
        if not seeds:
            raise UserError(f"hydra.sweeper.{name}=[]: type a number of seeds, or the seeds themselves")
        if len(set(seeds)) < len(seeds):
            raise UserError(f"hydra.sweeper.{name}={list(seeds)}: a seed is named twice")
    if shared := sorted(set(first) & set(second)):
        raise UserError(
            f"hydra.sweeper.confirmation_seeds: {', '.join(map(str, shared))} is a tuning seed too; "
            f"confirm on fresh seeds, such as {start} and above"
        )
    return first, second
