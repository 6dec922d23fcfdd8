"""Write the golden loss curves anew: python -m tests.golden.write

Only after a change that is meant to alter results: say in its commit message which and why.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

FILE = Path(__file__).with_name("digits.json")
# As a student types it, only shorter; ragged last batch, validation and momentum buffers included.
WORDS = ("dataset=digits", "model=cnn", "batch_size=100", "trainer=cpu", "trainer.max_epochs=3", "seed=0")
QUIET = ("logger=none", "callbacks=no_checkpoints", "callbacks.progress=null")


def curves(optimizer: str, more: Sequence[str] = ()) -> dict[str, list[float]]:
    """train/loss and val/loss, a value an epoch, of a run with this optimizer at its default settings."""
    from optlab.config import compose
    from optlab.record import read_metrics
    from optlab.run import run

    with TemporaryDirectory() as folder:
        run(compose([f"optimizer={optimizer}", *WORDS, *QUIET, *more]), Path(folder, "run"))
        rows = read_metrics(Path(folder, "run", "metrics.csv"))
    return {name: [float(row[name]) for row in rows] for name in ("train/loss", "val/loss")}


def main() -> None:
    from optlab.config.overrides import options

    golden = {name: curves(name) for name in options("optimizer") if name != "custom"}
    lines = [f"  {json.dumps(name)}: {json.dumps(golden[name])}" for name in golden]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
