"""`optlab.find_lr`: a range test from a program or notebook, and what it suggests."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optlab.adapters import loggers
from optlab.api.training import prepared
from optlab.api.words import words_of
from optlab.config import compose
from optlab.errors import UserError
from optlab.teaching.finder import Finding, measured

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def find_lr(*, overrides: Sequence[str] = (), progress: bool = True, **settings: Any) -> "FoundLr":
    """Suggest an lr by a range test: `optlab.find_lr(optimizer="momentum", model="mlp").lr`; nothing is written.

    The program's random streams, objects and data are afterwards as they were.

    Args:
        overrides: words as behind `python train.py`, read behind the settings.
        progress: tell what is chosen.
        settings: as in `optlab.run`; `find_lr={"seeds": 3, "low": 1e-5}` for the test itself.

    Raises:
        UserError: the input cannot be used.
    """
    words = prepared([*words_of(settings), *overrides])
    cfg = compose([*words, "mode=find_lr"])
    if cfg.mode != "find_lr":
        raise UserError("mode: optlab.find_lr has its own; leave it out")
    with loggers.telling("optlab", wanted=progress):
        return FoundLr(measured(cfg, words))


class FoundLr:
    """What a range test suggests.

    Attributes:
        lr, low, high: the suggestion and its range; None where there is none, and `said` says why.
        said: what must be known of it, in words.
        words: those of a run with it, behind `python train.py`; None without one.
    """

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        self.lr, self.low, self.high = finding.lr, finding.low, finding.high
        self.said = [each.text for each in finding.said]
        self.words = finding.words

    @property
    def curve(self) -> "pd.DataFrame":
        """A row an lr: `lr`, `loss` (the median over seeds), `smooth`, and `low` and `high` of the single seeds."""
        import pandas as pd

        curve = self.finding.curve
        names = ("lrs", "losses", "smooth", "low", "high")
        columns = ("lr", "loss", "smooth", "low", "high")
        values = [[] if curve is None else getattr(curve, name) for name in names]
        return pd.DataFrame(dict(zip(columns, values, strict=True)))

    def figure(self) -> "Figure":
        """The loss over the lr, as Matplotlib draws it."""
        from optlab.analysis.show.figures.to_matplotlib import picture_of
        from optlab.teaching.finder.figure import figure_of

        return picture_of(figure_of([self.finding], self.finding.name))

    def __repr__(self) -> str:
        found = f"lr {self.lr:g}, from {self.low:g} to {self.high:g}" if self.lr is not None else " ".join(self.said)
        return f"<optlab.FoundLr: {self.finding.name}, {found}>"
