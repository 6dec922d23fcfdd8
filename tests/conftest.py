"""What the tests share: small runs in a temporary folder, with one thread so that two workers do not fight."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from optlab.adapters.process import import_lightning

if TYPE_CHECKING:
    from optlab.record import RunRecord

# A run that takes a fraction of a second.
QUICK = ("logger=none", "callbacks=quiet", "trainer=cpu", "trainer.max_epochs=2", "batch_size=64")
SMALL = ("model=mlp", "model.hidden=[16,16]")  # used unless a test names its model


def words_of(*overrides: str) -> list[str]:
    """The overrides of a quick run with these on top."""
    names_model = any(word.startswith("model=") for word in overrides)
    return [*QUICK, *(() if names_model else SMALL), *overrides]


# Those that wait for other processes begin first: one of them begun last would leave the other workers idle.
SLOW = (
    "sweep/test_launchers.py",
    "sweep/test_launchers_stopped.py",
    "sweep/test_auto.py",
    "test_bench.py",
    "sweep/test_study.py",
    "sweep/test_multirun.py",
    "sweep/test_threads.py",
    "test_cli.py",
    "show/test_live_page.py",
    "test_installed.py",
    "docs/test_notes.py",
    "docs/test_examples.py",
    "docs/test_notebook.py",
    "sweep/test_conclude.py",
    "sweep/test_stopping.py",
    "api/test_many.py",
    "test_resume.py",
    "test_hostile_input.py",
    "teaching/test_find_lr_many.py",
    "teaching/test_page.py",
    "test_instruments.py",
    "test_advice.py",
    "show/test_tables.py",
    "show/test_figures.py",
    "surfaces/test_command.py",
    "tracking/test_wandb_sweep.py",
)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Import torch as a run does, and only where tests run: the workers would wait for the process that starts them."""
    if collector.path == Path(__file__).parent:
        import_lightning()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first, the slowest before all others; within a file the order stays."""
    items.sort(key=lambda item: next((at for at, end in enumerate(SLOW) if str(item.path).endswith(end)), len(SLOW)))


Train = Callable[..., "RunRecord"]


@pytest.fixture(autouse=True, scope="session")
def signals_are_heard() -> Iterator[None]:
    """Also where `nohup make test &` starts the tests with signals ignored, which their processes would inherit."""
    usual: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    ignored = [signum for signum in usual if signal.getsignal(signum) is signal.SIG_IGN]
    for signum in ignored:
        signal.signal(signum, usual[signum])
    yield
    for signum in ignored:
        signal.signal(signum, signal.SIG_IGN)


@pytest.fixture(autouse=True, scope="session")
def packages_stay() -> Iterator[None]:
    """Each trainer asks all installed packages for callbacks, which takes a tenth of a quick run; ask them once."""
    from lightning.fabric.utilities import registry

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "entry_points", cache(registry.entry_points))
        yield


@pytest.fixture(autouse=True, scope="session")
def options_stay() -> Iterator[None]:
    """Merging some thirty files for each command takes a quarter of all tests: once, as for the jobs of a sweep.

    A user's files, which a test may edit, are merged by each command.
    """
    from optlab import objects
    from optlab.adapters.composing import Known, merging_once
    from optlab.config import changes, places

    shared: Known = {}

    @contextmanager
    def merging(known: Known | None = None) -> Iterator[None]:
        own = known is not None or places.current().users or objects.all_options()
        with merging_once(known if own else shared):
            yield

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(changes, "merging_once", merging)
        yield


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, and in those that a test starts."""
    import torch

    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in an empty folder, so that none writes into the checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """`train("optimizer=sgd", folder="a")` trains a quick run with these overrides in a folder of that name."""

    from optlab.config import compose
    from optlab.run import run

    def quick(*overrides: str, folder: str = "run") -> "RunRecord":
        words = words_of(*overrides)
        return run(compose(words), tmp_path / folder, overrides=words)

    return quick
