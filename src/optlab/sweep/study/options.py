"""The settings of a study, as conf/hydra/sweeper/study.yaml explains them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from optlab.config.node import Node, fields
from optlab.config.schema import AtLeast1, JudgedBy, NotNegative
from optlab.errors import UserError
from optlab.rules.references import shipped
from optlab.rules.seeds import seeds_of
from optlab.sweep.study.samplers import Sampler

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
