"""Any logger of Lightning's kind by its class: what it is given, and that it can neither stop a run nor hold it up."""

import logging
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger

from optlab import tracking
from optlab.errors import UserError
from optlab.tracking import guard, mirror
from optlab.tracking.guard import Guard, Worker
from tests.conftest import Train
from tests.metrics import read_metrics
from tests.test_resume import interrupted

OWN = ("+logger.own._target_=tests.tracking.test_mirror.Own",)
CALLS: list[tuple[str, Any]] = []


class Own(Logger):
    """A user's logger, which keeps what it is given, and breaks or hangs where it is told to."""

    def __init__(self, save_dir: str, name: str = "", breaks: str = "", hangs: str = "") -> None:
        super().__init__()
        self.breaks, self.hangs = breaks, hangs
        self._say("constructor", {"save_dir": save_dir, "name": name})

    def _say(self, method: str, value: Any) -> None:
        CALLS.append((method, value))
        if method == self.breaks:
            raise SystemError("it broke")
        if method == self.hangs:
            threading.Event().wait()

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self._say("log_metrics", (step, metrics))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self._say("log_hyperparams", params)

    def finalize(self, status: str) -> None:
        self._say("finalize", status)

    @property
    def name(self) -> str:
        return "own"

    @property
    def version(self) -> str:
        return "0"

    @property
    def experiment(self) -> list[tuple[str, Any]]:
        return CALLS


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def given(method: str) -> list[Any]:
    return [value for name, value in CALLS if name == method]


def test_a_logger_by_its_class_gets_what_the_record_holds(train: Train) -> None:
    record = train(*OWN, "optimizer=momentum")
    assert given("constructor") == [{"save_dir": str(Path("run/own").absolute()), "name": "momentum-lr0.03-seed0"}]
    (told,) = given("log_hyperparams")
    assert told["optimizer"]["lr"] == 0.03
    assert told["configuration"].startswith("momentum lr=0.03 constant")
    assert "logger" not in told
    rows = read_metrics(Path("run/metrics.csv"))
    history = [(step, metrics["val/acc"]) for step, metrics in given("log_metrics") if "val/acc" in metrics]
    assert history == [(row["step"], row["val/acc"]) for row in rows]
    assert given("log_metrics")[-1] == (42, {k: v for k, v in record.metrics.items() if k.startswith("test/")})
    assert given("finalize") == ["success"]


def test_a_job_of_a_sweep_is_filed_under_the_sweep_s_whole_name(train: Train) -> None:
    record = train("sweep=digits/first")
    assert mirror.group_of(record, Path("outputs/sweeps/digits/first/job")) == "digits/first"
    assert mirror.group_of(record, Path("outputs/sweeps/other/first/job")) == "optlab"


def test_a_password_in_an_address_is_in_no_line_of_a_log() -> None:
    error = ConnectionError("https://me:hunter2@host:5000/api does not answer")
    assert guard.one_line(error) == "https://host:5000/api does not answer"


def test_it_is_told_of_a_run_that_was_stopped(tmp_path: Path) -> None:
    assert interrupted(tmp_path / "run", 5, *OWN).status == "interrupted"
    assert given("finalize") == ["failed"]


@pytest.mark.parametrize("method", ["constructor", "log_hyperparams", "log_metrics", "finalize"])
def test_whatever_it_raises_is_said_once_and_the_run_goes_on(
    method: str, train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    assert train(*OWN, f"+logger.own.breaks={method}").status == "finished"
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "logger.own stopped recording this run (SystemError: it broke); the run folder has everything"
    ]
    assert len(given(method)) == 1


@pytest.mark.parametrize("method", ["constructor", "log_metrics", "finalize"])
def test_one_that_hangs_is_waited_for_a_bounded_time_once(
    method: str, train: Train, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "START_SECONDS", 1.0)
    monkeypatch.setattr(guard, "CALL_SECONDS", 1.0)
    started = time.monotonic()
    assert train(*OWN, f"+logger.own.hangs={method}").status == "finished"
    assert time.monotonic() - started < 15
    assert caplog.text.count("no answer within 1 s") == 1


def test_the_calls_keep_their_order_and_the_caller_does_not_wait() -> None:
    done: list[int] = []
    worker = Worker(Guard("slow"))
    started = time.monotonic()
    for i in range(5):
        worker.later(lambda i=i: (time.sleep(0.02), done.append(i)))  # type: ignore[misc]
    assert time.monotonic() - started < 0.02 * 5
    worker.close()
    assert done == list(range(5))


class Asks(Callback):
    """A user's callback that logs by itself."""

    def on_train_end(self, trainer: Trainer, *_: Any) -> None:
        (logger,) = trainer.loggers
        assert isinstance(logger, Logger)
        assert isinstance(logger, mirror.Mirror)
        end = time.monotonic() + 10
        while logger.logger is None and time.monotonic() < end:
            time.sleep(0.01)
        logger.experiment.append(("callback", 1))
        logger.log_metrics({"mine": 2.0}, step=1)


def test_a_callback_of_the_user_finds_the_logger(train: Train) -> None:
    train(*OWN, "+callbacks.asks._target_=tests.tracking.test_mirror.Asks")
    assert given("callback") == [1]
    assert (1, {"mine": 2.0}) in given("log_metrics")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["+logger.own.nope=1"], "logger.own.nope: Own takes no 'nope'"),
        (["+logger.own.hangs=1"], "logger.own.hangs=1: must be text"),
        (["logger.own._target_=tests.tracking.test_mirror.Asks"], "no logger, it has no log_metrics"),
        (["logger.own._target_=builtins.print"], "no logger, it has no log_metrics"),
        (["logger.own._target_=tests.nowhere.Own"], "tests has no 'nowhere'"),
        (["+logger.other.name=1"], "logger.other: not a logger; known: csv, tensorboard, wandb, mlflow, aim, swanlab"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(words: list[str], message: str, train: Train) -> None:
    with pytest.raises(UserError, match=message.replace("(", "\\(")):
        train(*OWN, *words)
    assert not Path("run").exists()


@pytest.mark.parametrize("name", ["mlflow", "aim", "swanlab"])
def test_without_its_package_a_preset_is_refused_with_what_to_type(
    name: str, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda package: None if package == name else find_spec(package))
    with pytest.raises(UserError, match=rf"logger.{name} needs a package: pip install -e '.\[{name}\]'"):
        train(f"logger={name}")
    assert not Path("run").exists()


def test_lightning_s_own_csv_logger_writes_into_the_run_folder(train: Train) -> None:
    train("+logger.lines._target_=lightning.pytorch.loggers.CSVLogger")
    (lines,) = Path("run/lines").rglob("metrics.csv")
    assert len([row for row in lines.read_text().splitlines() if row]) >= 3
