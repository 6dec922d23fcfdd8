"""The settings of a study, as conf/hydra/sweeper/study.yaml explains them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from optlab.config.node import Node, fields
from optlab.config.schema import AtLeast1, JudgedBy, NotNegative
from optlab.errors import UserError
from optlab.rules.references import shipped
from optlab.rules.seeds import seeds_of
from optlab.sweep.study.samplers import Sampler

REDUCTION = 2  # of stopping: one in so many trials goes on

Seeds = AtLeast1 | list[NotNegative]  # how many, or which


class Options(Node):
    """The settings under `hydra.sweeper`."""

    trials: AtLeast1
    tuning: Seeds = Field(alias="tuning_seeds")
    confirmation: Seeds = Field(alias="confirmation_seeds")
    track: str
    sampler: Sampler
    sampler_seed: NotNegative
    extensions: NotNegative
    stopping: Literal["halving"] | None = None
    stopping_reduction: Annotated[int, Field(ge=2)] = REDUCTION
    stopping_first: AtLeast1 | None = Field(None, description="the epoch of the first rung")
    metric: JudgedBy | None
    target: float | None
    reference: str | None
    spaces: dict[str, dict[str, Any]] | None
    params: dict[str, Any] | None = None
    sweeper: str | None = Field(None, alias="_target_")

    @classmethod
    def parse(cls, values: Mapping[str, Any], path: str = "hydra.sweeper.") -> Self:
        """The settings as they come from the config.

        Raises:
            UserError: an unknown name, a value of no use, or a seed that is to tune and to confirm.
        """
        options = super().parse(values, path)
        seeds_of(options.tuning, options.confirmation)
        if options.stopping is None and (options.stopping_first, options.stopping_reduction) != (None, REDUCTION):
            unused = "first" if options.stopping_first is not None else "reduction"
            value = getattr(options, f"stopping_{unused}")
            raise UserError(f"{path}stopping_{unused}={value}: nothing is stopped; type {path}stopping=halving too")
        if (name := options.reference) is not None and name not in shipped() and not Path(name).is_file():
            raise UserError(f"{path}reference={name}: neither a file nor one of {', '.join(shipped())}")
        return options

    @classmethod
    def unknown(cls, path: str, key: str) -> str:
        known = [name for name in fields(cls) if name != "_target_"]
        return f"{path}{key}: a study has no such setting; it has {', '.join(known)}"

    @property
    def tuning_seeds(self) -> tuple[int, ...]:
        """The seeds that each trial is judged by the mean over."""
        return seeds_of(self.tuning, self.confirmation)[0]

    @property
    def confirmation_seeds(self) -> tuple[int, ...]:
        """The fresh seeds that winners are run with."""
        return seeds_of(self.tuning, self.confirmation)[1]
