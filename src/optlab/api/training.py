"""`optlab.run` and what it gives: one run from a program or notebook."""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omegaconf import DictConfig

from optlab import cli, notebook
from optlab.adapters import loggers
from optlab.api.words import words_of
from optlab.config import compose, places, resolve
from optlab.config import overrides as typed
from optlab.errors import Stopped, UserError
from optlab.folders import new_folder
from optlab.record import CHECKPOINT_FOLDER, RECORD_FILE, RunRecord, shortest
from optlab.rules.messages import Message, language
from optlab.rules.words import plural
from optlab.run import run as run_config

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from optlab.api.results import Results


def run(
    config: DictConfig | Mapping[str, Any] | None = None,
    folder: Path | str | None = None,
    *,
    overrides: Sequence[str] = (),
    sources: MutableMapping[str, Any] | None = None,
    progress: bool = True,
    **settings: Any,
) -> "Run":
    """Train, test and record one run: `optlab.run(optimizer="adam", lr="cosine", model={"name": "mlp"}, seed=1)`.

    Args:
        config: a composed config (`optlab.compose`), in place of settings.
        folder: the run folder; without one, a new folder under outputs/runs.
        overrides: words as behind `python train.py`, read behind the settings; with a config, what composed it.
        sources: data sets that several runs of a process share; filled as they are loaded.
        progress: show a bar, on a terminal also a line an epoch.
        settings: every key of the config; model, dataset, optimizer, loss and module take objects too (docs/api.md).

    Raises:
        UserError: the input cannot be used; nothing was written.
        Stopped: Ctrl-C; a KeyboardInterrupt. What was done is kept.
        Exception: what else went wrong, after it was recorded as `failed`.
    """
    if config is not None and settings:
        raise UserError(f"run(): {', '.join(settings)} beside a config; put them into the config, or leave it out")
    if config is not None and not isinstance(config, Mapping):
        raise UserError(
            f"run({config!r}): the first argument is a composed config; name what it is, as optimizer='adam'"
        )
    words = list(overrides)
    if config is None:
        words = prepared([*words_of(settings), *overrides])
    cfg = resolve(compose(words) if config is None else config)
    if cfg.get("mode", "train") != "train":
        raise UserError(f"mode={cfg['mode']}: optlab.run trains; leave mode out")
    where = folder_of(cfg, folder)
    with loggers.telling("optlab", wanted=progress):
        record = run_config(shown(cfg, progress), where, overrides=words, sources=sources)
    if record.status == "interrupted":
        last = where / CHECKPOINT_FOLDER / "last.ckpt"
        how = f"go on with ckpt={str(shortest(last))!r}" if last.exists() else "nothing was saved"
        raise Stopped(f"interrupted after {plural(record.epochs, 'epoch')}, kept in {shortest(where)}; {how}")
    return Run(record, where, is_ours=True)


def prepared(words: Sequence[str]) -> list[str]:
    """The words as the command line has them: shorthands written out, behind what a checkpoint brings along."""
    with places.using(typed.places_of(list(words))):
        return cli.prepared(words)


def folder_of(config: Mapping[str, Any], folder: Path | str | None) -> Path:
    """The run folder: the one that is asked for, unless it holds another run, or a new one."""
    if folder is None:
        return new_folder(config["optimizer"]["name"])
    place = Path(folder)
    goes_on = str(config.get("ckpt") or "").startswith(str(place))
    if (place / RECORD_FILE).exists() and not goes_on:
        raise UserError(f"{shortest(place)} holds a run already; give another folder, or none for a new one")
    return place


def shown(config: dict[str, Any], progress: bool) -> dict[str, Any]:
    """The config with the progress that is wanted; in a notebook a bar without a line an epoch."""
    callbacks = dict(config.get("callbacks") or {})
    bar = callbacks.get("progress")
    if not progress:
        callbacks["progress"] = None
    elif bar and notebook.is_here():
        callbacks["progress"] = {**bar, "table": False}
    return {**config, "callbacks": callbacks}


class Run:
    """A run that is over: what its record says, and its network.

    Attributes:
        record: the content of run.json.
        folder: the run folder.
    """

    def __init__(self, record: RunRecord, folder: Path, *, is_ours: bool = False) -> None:
        self.record = record
        self.folder = folder
        self._is_ours = is_ours  # trained by this process, so that its classes were named by the program

    @classmethod
    def read(cls, folder: Path | str) -> "Run":
        """The run of a folder.

        Raises:
            UserError: there is none, or it is damaged.
        """
        return cls(RunRecord.read(Path(folder)), Path(folder))

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def status(self) -> str:
        """`finished`, or `diverged`."""
        return self.record.status

    @property
    def metrics(self) -> dict[str, float | None]:
        """The final value of each metric."""
        return self.record.metrics

    @property
    def best(self) -> dict[str, Any]:
        """The best epoch: its metric, value and number."""
        return self.record.best

    @property
    def advice(self) -> list[str]:
        """What its own numbers advise, a line each, with callbacks="instruments"; `record.advice` has them as data."""
        return [str(Message.read(each)) for each in self.record.advice or []]

    @property
    def config(self) -> dict[str, Any]:
        return self.record.config

    @cached_property
    def curves(self) -> "pd.DataFrame":
        """The learning curves in long form, as `Results.curves`."""
        return self.results.curves

    @cached_property
    def results(self) -> "Results":
        """The run as `optlab.read` gives it."""
        from optlab.api.results import read

        return read(self.folder)

    def network(
        self, weights: Literal["last", "best"] = "last", *, model: Any = None, trust: bool = False
    ) -> "nn.Module":
        """The trained network on the CPU, in eval mode; it takes inputs as the data set gave them, normalised.

        Of a LightningModule of one's own it is the module.

        Args:
            model: the class of the network or module again, where another process trained it: a file alone is not
                believed which classes it may name, and one that lies in no module is nowhere else.
            trust: believe the file.

        Raises:
            UserError: the run kept no such checkpoint, its class is not in this process, or is not trusted.
        """
        from optlab.api.trained import network_of

        path = self.folder / CHECKPOINT_FOLDER / f"{weights}.ckpt"
        if not path.exists():
            raise UserError(f"{shortest(path)}: this run kept no such checkpoint; run it with callbacks='default'")
        return network_of(path, self.config, model, trusted=trust or self._is_ours)

    def __repr__(self) -> str:
        return f"<optlab.Run: {self._title()}; {self.status}, {shortest(self.folder)}>"

    def _title(self) -> str:
        record = self.record
        how = f"{record.optimizer}, lr {record.lr:g}, {record.lr_schedule}, seed {record.seed}"
        return f"{record.model} on {record.dataset}: {how}"

    def _rows(self) -> Iterator[tuple[str, str]]:
        for name, value in self.metrics.items():
            if value is not None:
                yield language.metric(name, self.record.data.get("task")), f"{value:.4f}"
        if self.best.get("value") is not None:
            yield f"best {self.best['metric']}", f"{self.best['value']:.4f} (epoch {self.best['epoch']})"
        if (seconds := self.record.timing.get("fit_seconds")) is not None:
            yield "training time", f"{seconds:.1f} s"
        if self.record.diverged:
            yield "diverged", str((self.record.error or {}).get("message", ""))
        yield from (("advice", text) for text in self.advice)
        yield "folder", str(shortest(self.folder))

    def __str__(self) -> str:
        rows = list(self._rows())
        width = max(len(name) for name, _ in rows)
        return "\n".join([self._title(), *(f"{name:<{width}}  {value}" for name, value in rows)])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in self._rows())
        return f"<p><b>{escape(self._title())}</b> ({escape(self.status)})</p><table>{rows}</table>"
