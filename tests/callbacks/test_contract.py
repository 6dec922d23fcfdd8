"""What a user's own callback may ask of a run, and what it gets: one of each sort, in real runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback

from optlab.callbacks import Checkpoints, DivergenceGuard, Progress, TestCurve
from optlab.callbacks.contract import RunContext, terms
from optlab.errors import UserError
from optlab.module import TrainingModule
from tests.conftest import Train
from tests.metrics import read_metrics

HERE = "tests.callbacks.test_contract"
FAST = ("batch_size=16", "trainer.max_epochs=1", "engine=auto")  # 81 batches, which the loop engine takes 50 at once


@pytest.fixture(autouse=True)
def forget() -> None:
    Looks.seen = []
    Begins.given = []


class Looks(Callback):
    """Notes the steps behind which it was called."""

    seen: list[int] = []  # noqa: RUF012

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.seen.append(trainer.global_step)


class Relaxed(Looks):
    every_batch = False


class EverySeventh(Relaxed):
    def __init__(self, every_n_steps: Any = 7) -> None:
        self.every_n_steps = every_n_steps


class Counts(Callback):
    """A column of its own."""

    measures = True

    def on_train_epoch_end(self, trainer: Any, pl_module: TrainingModule) -> None:  # type: ignore[override]
        pl_module.publish({"train/three": 3.0})


class Begins(Callback):
    """Keeps what it is given, and evaluates a test batch."""

    given: list[RunContext] = []  # noqa: RUF012

    def begin_run(self, run: RunContext) -> None:
        assert not run.folder.joinpath("checkpoints").exists()
        self.given.append(run)


class MyCheckpoints(Checkpoints):
    """Keeps a copy of each `last.ckpt`."""

    def __init__(self, prefix: str = "epoch", **options: Any) -> None:
        super().__init__(**options)
        self.prefix = prefix

    def save_last(self, trainer: Any) -> None:
        super().save_last(trainer)
        path = self.folder / f"{self.prefix}{trainer.current_epoch + 1}.ckpt"
        path.write_bytes(self.last_path.read_bytes())


def with_callback(name: str, *options: str) -> list[str]:
    return [f"+callbacks.mine._target_={HERE}.{name}", *(f"+callbacks.mine.{option}" for option in options)]


def test_a_callback_that_says_nothing_sees_every_batch(train: Train) -> None:
    record = train(*FAST, *with_callback("Looks"))
    assert record.environment["engine"] == "eager"
    assert Looks.seen == list(range(1, 82))


def test_one_that_need_not_see_every_batch_leaves_the_fast_engine(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab.engine.module.SECONDS_A_CHUNK", 60.0)
    record = train(*FAST, *with_callback("Relaxed"))
    assert record.environment["engine"] == "loop"
    assert Looks.seen == [1, 50, 80, 81]  # the recorder's clock leaves out the first batch and the short one


def test_one_that_looks_every_so_many_steps_is_called_behind_each(train: Train) -> None:
    record = train(*FAST, *with_callback("EverySeventh"))
    assert record.environment["engine"] == "loop"
    assert set(range(7, 81, 7)) < set(Looks.seen)


@pytest.mark.parametrize("every", ["0", "-3", "1.5", "often"])
def test_a_number_of_steps_that_is_none_costs_one_line(every: str, train: Train) -> None:
    with pytest.raises(UserError, match=rf"^EverySeventh.every_n_steps={every}: must be a whole number of 1 or more$"):
        train(*FAST, *with_callback("EverySeventh", f"every_n_steps={every}"))
    assert not Path("run").exists()


def test_what_a_callback_measures_is_in_the_row(train: Train) -> None:
    train(*with_callback("Counts"))
    assert [row["train/three"] for row in read_metrics(Path("run/metrics.csv"))] == [3.0, 3.0]


def test_a_callback_is_given_the_folder_and_the_test_split(train: Train, tmp_path: Path) -> None:
    train(*with_callback("Begins"))
    (run,) = Begins.given
    assert run.folder == tmp_path / "run"
    assert run.test_batches is not None
    batches = run.test_batches()
    assert sum(len(batch.targets) for batch in batches) == 360


def test_a_tuning_run_gives_no_test_split(train: Train) -> None:
    train("phase=tune", *with_callback("Begins"))
    (run,) = Begins.given
    assert run.test_batches is None


def test_checkpoints_of_a_users_own_kind_go_into_the_runs_folder(train: Train) -> None:
    words = [f"callbacks.checkpoint._target_={HERE}.MyCheckpoints", "+callbacks.checkpoint.prefix=after"]
    words += ["callbacks.checkpoint.best=true"]  # another class starts with no arguments
    train(*words, "test_weights=best")
    names = {path.name for path in Path("run/checkpoints").iterdir()}
    assert names == {"last.ckpt", "best.ckpt", "after1.ckpt", "after2.ckpt"}
    kept = torch.load("run/checkpoints/after2.ckpt", weights_only=True)
    assert kept["global_step"] == torch.load("run/checkpoints/last.ckpt", weights_only=True)["global_step"]


def test_our_own_keep_the_contract() -> None:
    asked = {
        type(callback): terms(callback) for callback in (DivergenceGuard(), Progress(), TestCurve(), Checkpoints())
    }
    assert not any(each.every_batch for each in asked.values())
    assert [kind for kind, each in asked.items() if each.measures] == [TestCurve]
    assert asked[DivergenceGuard].every_n_steps == 50
