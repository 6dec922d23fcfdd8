"""Write golden loss curves: of a new optimizer by its name, or all of them anew.

    python -m tests.golden.write NAME [NAME ...]   these only; every other curve stays as it is
    python -m tests.golden.write --all             all of them

A curve that is there already is written anew only after a change that is meant to alter results: say in its commit
message which and why.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

FILE = Path(__file__).with_name("digits.json")
COMMAND = "python -m tests.golden.write"
# As a student types it, only shorter; ragged last batch, validation and momentum buffers included.
WORDS = ("dataset=digits", "model=cnn", "batch_size=100", "trainer=cpu", "trainer.max_epochs=3", "seed=0")
QUIET = ("logger=none", "callbacks=no_checkpoints", "callbacks.progress=null")

Curves = dict[str, list[float]]  # train/loss and val/loss, a value an epoch


def names() -> list[str]:
    """The optimizers that have a golden curve: every file in conf/optimizer that names a class."""
    from optlab.config.groups import options

    return [name for name in options("optimizer") if name not in ("custom", "own")]


def curves(optimizer: str, more: Sequence[str] = ()) -> Curves:
    """The losses of a run with this optimizer at its default settings."""
    from optlab.config import compose
    from optlab.run import run
    from tests.metrics import read_metrics

    with TemporaryDirectory() as folder:
        run(compose([f"optimizer={optimizer}", *WORDS, *QUIET, *more]), Path(folder, "run"))
        rows = read_metrics(Path(folder, "run", "metrics.csv"))
    return {name: [value for row in rows if (value := row[name]) is not None] for name in ("train/loss", "val/loss")}


def read(file: Path = FILE) -> dict[str, Curves]:
    golden: dict[str, Curves] = json.loads(file.read_text(encoding="utf-8"))
    return golden


def write(golden: Mapping[str, Curves], file: Path = FILE) -> None:
    """A line an optimizer, so that a new one is one line more."""
    lines = [f"  {json.dumps(name)}: {json.dumps(golden[name])}" for name in sorted(golden)]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main(words: Sequence[str] | None = None, file: Path = FILE) -> None:
    known = names()
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Write the golden loss curves of these optimizers into tests/golden/digits.json.",
        epilog=f"known: {', '.join(known)}",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="an optimizer: the name of a file in conf/optimizer")
    parser.add_argument("--all", action="store_true", help="every optimizer, and none that is no longer there")
    given = parser.parse_args(words)
    if bool(given.names) == given.all:
        parser.error("name the optimizers whose curves to write, or type --all")
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"conf/optimizer/{unknown[0]}.yaml: there is no such file; known: {', '.join(known)}")
    import torch

    torch.set_num_threads(1)  # as in the tests
    kept = {} if given.all else read(file)
    for name in known if given.all else dict.fromkeys(given.names):
        kept[name] = curves(name)
        print(f"{name}: train/loss {' '.join(f'{value:.4f}' for value in kept[name]['train/loss'])}")
    write(kept, file)


if __name__ == "__main__":
    main()
