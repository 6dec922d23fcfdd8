"""Metrics that a module or a callback logs under names of its own (`self.log("val_loss", ...)`), and optlab's names.

optlab's names are `val/loss`, `test/acc`: a part and a kind. Lightning users write `val_loss`, `valid_accuracy`,
`train_loss_epoch`. Such a metric keeps its name in the files, and stands there under optlab's name too.
"""

import re
from collections.abc import Iterable

from optlab.errors import UserError

PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
KINDS = {"accuracy": "acc"}
NAME = re.compile(rf"({'|'.join(PARTS)})[/_.-](.+?)(?:_epoch)?", re.IGNORECASE)


def standard_name(name: str) -> str:
    """`val/loss` for `val_loss`, `valid_loss_epoch` or `val/loss`; the name itself where it names no part."""
    if (match := NAME.fullmatch(name)) is None:
        return name
    kind = match[2]
    return f"{PARTS[match[1].lower()]}/{KINDS.get(kind.lower(), kind)}"


def at_test(name: str) -> str:
    """`test_loss` for `val_loss`: what a validation step logs when it is used at test time."""
    match = NAME.fullmatch(name)
    return f"test{name[len(match[1]) :]}" if match and PARTS[match[1].lower()] == "val" else name


def judged_by(wanted: str | None, names: Iterable[str], *, validates: bool, usual: str) -> str:
    """The metric that a run is judged by, when it is known what it logs.

    Args:
        wanted: what the config says, in optlab's words; None takes the first that there is of the usual one, the loss
            and any other of validation, else the training loss.
        names: of the metrics of an epoch with a validation, if the run has one.
        validates: whether it has.
        usual: `acc` or `loss`: what runs on such data are judged by.

    Raises:
        UserError: the run logs no such metric.
    """
    known = list(names)
    if wanted is not None:
        if wanted not in known:
            raise UserError(f"metric={wanted}: this run logs {', '.join(known)}; type one of them")
        return wanted
    part = "val" if validates else "train"
    preferred = (f"{part}/{usual}", f"{part}/loss", *(name for name in known if name.startswith(f"{part}/")))
    return next((name for name in preferred if name in known), "train/loss")
