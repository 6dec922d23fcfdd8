"""pytorch_optimizer's classes: those on the allow-list pass the conformance tests, the others are refused."""

import pytest
import pytorch_optimizer

from optlab import optimizers
from optlab.conformance import verdict
from optlab.errors import UserError
from tests.test_optimizers import typed


@pytest.mark.parametrize("name", sorted(optimizers.PYTORCH_OPTIMIZER_ALLOWED))
def test_allowed_class_passes_the_conformance_tests(name: str) -> None:
    cls = getattr(pytorch_optimizer, name)
    assert verdict(cls) is None
    optimizers.check(typed({"name": name, "_target_": f"pytorch_optimizer.{name}", "lr": 0.001}))


@pytest.mark.parametrize("name", ["Fromage", "Nero"])
def test_non_commercial_class_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"pytorch_optimizer.{name}: its licence forbids commercial use"):
        optimizers.check(typed({"name": "custom", "_target_": f"pytorch_optimizer.{name}", "lr": 0.01}))


@pytest.mark.parametrize("name", ["SAM", "AdaHessian", "ScheduleFreeAdamW", "Gravity"])
def test_class_off_the_list_is_refused(name: str) -> None:
    assert verdict(getattr(pytorch_optimizer, name)) is not None
    with pytest.raises(UserError, match=f"pytorch_optimizer.{name}: not among the classes that pass"):
        optimizers.check(typed({"name": "custom", "_target_": f"pytorch_optimizer.{name}", "lr": 0.01}))


def test_a_longer_path_does_not_go_round_the_list() -> None:
    with pytest.raises(UserError, match="licence"):
        optimizers.check(typed({"_target_": "pytorch_optimizer.optimizer.fromage.Fromage", "lr": 0.01}))
