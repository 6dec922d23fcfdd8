"""Which classes a checkpoint may name: what a group takes needs no word, and nothing else is imported."""

import pytest

from optlab import trust
from optlab.errors import UserError
from optlab.models import MLP


@pytest.mark.parametrize(
    ("group", "target"),
    [
        ("model", "optlab.models.CNN"),
        ("model", "torch.nn.Sequential"),
        ("model", "torchvision.models.resnet18"),
        ("loss", "optlab.losses.Huber"),
        ("loss", "torch.nn.MSELoss"),
        ("loss", "torchmetrics.MeanSquaredError"),
        ("optimizer", "torch.optim.Adam"),
        ("optimizer", "optlab.muon.MuonAdamW"),
        ("optimizer", "pytorch_optimizer.Lion"),
        ("lr", "optlab.lr.plateau"),
        ("dataset", "optlab.data.cifar10"),
        ("callbacks", "optlab.callbacks.Progress"),
        ("metrics", "torchmetrics.classification.MulticlassCohenKappa"),
        ("callbacks", "lightning.pytorch.callbacks.EarlyStopping"),
    ],
)
def test_what_a_group_takes_needs_no_word(group: str, target: str) -> None:
    entry = ".entry" if group in trust.NAMED_ENTRIES else ""
    trust.check_target("ckpt=x.ckpt", group, f"{group}{entry}._target_", target)


@pytest.mark.parametrize("target", ["os.system", "torch.load", "torchmetrics.utilities.data.torch.load", "mine.Kappa"])
def test_a_metric_is_one_of_torchmetrics_or_a_person_names_it(target: str) -> None:
    with pytest.raises(UserError, match="is not imported"):
        trust.check_options("ckpt=x.ckpt", "metrics", {"kappa": {"_target_": target}})
    trust.check_options("ckpt=x.ckpt", "metrics", {"kappa": {"_target_": target}}, also=[target])


STOPPING = ("callbacks", "lightning.pytorch.callbacks.EarlyStopping")  # known by conf/callbacks alone


def test_every_option_of_conf_is_what_its_group_takes() -> None:
    for group in trust.KINDS:
        for target in trust.named_in_conf(group):
            assert trust.is_known(group, target) or (group, target) == STOPPING, f"{group}: {target}"


class Lent(MLP):
    """A user's own network."""


def test_a_name_that_leads_out_of_its_package_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.models.lent", Lent, raising=False)
    assert trust.resolve("optlab.models.lent") is Lent
    assert not trust.is_known("model", "optlab.models.lent")
