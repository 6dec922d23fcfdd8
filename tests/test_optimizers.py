import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from optlab import optimizers
from optlab.config.schema import Optimizer as Settings
from optlab.errors import UserError
from optlab.models import CNN, CNN3C3D, Linear, ResNet18

CONF = Path(__file__).parents[1] / "conf" / "optimizer"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem not in ("custom", "own"))
Gradient = Callable[[Tensor], Tensor]


def settings(name: str, **changes: Any) -> dict[str, Any]:
    loaded = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    assert isinstance(loaded, dict)
    return {**{str(key): value for key, value in loaded.items()}, **changes}


def typed(values: Mapping[str, Any]) -> Settings:
    return Settings.parse({"name": "custom", **values}, "optimizer.")


def build(model: nn.Module, values: Mapping[str, Any]) -> torch.optim.Optimizer:
    groups = optimizers.parameter_groups(model, typed(values))
    arguments = {"_target_": values["_target_"], **typed(values).arguments}
    built = instantiate(arguments, groups, _convert_="all")
    assert isinstance(built, torch.optim.Optimizer)
    return built


class Quadratic:
    """f(x) = sum of a_i x_i^2 / 2, whose gradient is a x."""

    def __init__(self) -> None:
        self.a = torch.tensor([1.0, 10.0, 0.1], dtype=torch.float64)
        self.x = nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))

    def closure(self) -> Tensor:
        self.x.grad = None
        loss = (self.a * self.x.square()).sum() / 2
        loss.backward()
        return loss


# The update rules as their papers write them: x the parameters, g(x) the gradient, t = 1, 2, ... the step.


def sgd(x: Tensor, g: Gradient, steps: int, eta: float = 0.01) -> Tensor:
    for _ in range(steps):
        x = x - eta * g(x)
    return x


def momentum(x: Tensor, g: Gradient, steps: int, eta: float = 0.01, mu: float = 0.9) -> Tensor:
    """Polyak (1964), in the form of Sutskever et al. (2013) with lr outside the velocity."""
    v = torch.zeros_like(x)
    for _ in range(steps):
        v = mu * v + g(x)
        x = x - eta * v
    return x


def nesterov(x: Tensor, g: Gradient, steps: int, eta: float = 0.01, mu: float = 0.9) -> Tensor:
    """Sutskever et al. (2013), eq. 3 and 4, in the variable y = x + mu v: the point of the gradient."""
    y, v = x, torch.zeros_like(x)
    for _ in range(steps):
        v_next = mu * v - eta * g(y)
        x = y - mu * v + v_next
        y = x + mu * v_next
        v = v_next
    return y


def adam(
    x: Tensor,
    g: Gradient,
    steps: int,
    alpha: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    decay: float = 0.0,
) -> Tensor:
    """Kingma and Ba (2015), algorithm 1; with `decay` AdamW: Loshchilov and Hutter (2019), algorithm 2."""
    m, v = torch.zeros_like(x), torch.zeros_like(x)
    for t in range(1, steps + 1):
        gradient = g(x)
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        x = x - alpha * m_hat / (v_hat**0.5 + eps) - alpha * decay * x
    return x


def rmsprop(x: Tensor, g: Gradient, steps: int, eta: float = 0.01, alpha: float = 0.99, eps: float = 1e-8) -> Tensor:
    """Hinton's lecture 6e (2012)."""
    v = torch.zeros_like(x)
    for _ in range(steps):
        v = alpha * v + (1 - alpha) * g(x) ** 2
        x = x - eta * g(x) / (v**0.5 + eps)
    return x


def adagrad(x: Tensor, g: Gradient, steps: int, eta: float = 0.01, eps: float = 1e-10) -> Tensor:
    """Duchi et al. (2011), with the diagonal of G."""
    G = torch.zeros_like(x)
    for _ in range(steps):
        G = G + g(x) ** 2
        x = x - eta * g(x) / (G**0.5 + eps)
    return x


RULES: dict[str, Callable[[Tensor, Gradient, int], Tensor]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adam": adam,
    "adamw": lambda x, g, steps: adam(x, g, steps, decay=0.01),
    "rmsprop": rmsprop,
    "adagrad": adagrad,
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("steps", [1, 5])
def test_agrees_with_its_formula(name: str, steps: int) -> None:
    problem = Quadratic()
    start = problem.x.detach().clone()
    arguments = {"_target_": settings(name)["_target_"], **typed(settings(name, lr=0.01)).arguments}
    optimizer = instantiate(arguments, [problem.x], _convert_="all")
    for _ in range(steps):
        optimizer.step(problem.closure)
    expected = RULES[name](start, lambda x: problem.a * x, steps)
    torch.testing.assert_close(problem.x.detach(), expected, rtol=1e-9, atol=1e-12)


class Handmade(torch.optim.Optimizer):
    """SGD as many write it: its step calls no closure."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad, alpha=group["lr"])


class Bare(Handmade):
    def step(self) -> None:  # type: ignore[override]
        super().step()


@pytest.mark.parametrize("cls", [Handmade, Bare, torch.optim.SGD])
@pytest.mark.parametrize("by_name", [True, False])
def test_steps_that_leave_their_closure_get_gradients_all_the_same(cls: Any, by_name: bool) -> None:
    problem = Quadratic()
    expected = sgd(problem.x.detach().clone(), lambda x: problem.a * x, 3)
    wanted = typed({**settings("custom", lr=0.01), "_target_": f"{cls.__module__}.{cls.__qualname__}"})
    optimizer = cls([problem.x], lr=0.01)
    optimizers.check(wanted)
    optimizers.call_closure(optimizer, wanted)
    calls = 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        return problem.closure()

    for _ in range(3):
        if by_name:
            optimizer.step(closure=closure)
        else:
            optimizer.step(closure)
    assert calls == 3
    torch.testing.assert_close(problem.x.detach(), expected, rtol=1e-9, atol=1e-12)


def test_l2_weight_decay_is_in_the_gradient() -> None:
    problem = Quadratic()
    start = problem.x.detach().clone()
    optimizer = torch.optim.Adam([problem.x], **typed(settings("adam", lr=0.01, weight_decay=0.3)).arguments)
    for _ in range(5):
        optimizer.step(problem.closure)
    expected = adam(start, lambda x: problem.a * x + 0.3 * x, 5)
    torch.testing.assert_close(problem.x.detach(), expected, rtol=1e-9, atol=1e-12)


class Training:
    """The cnn on two batches of 8x8 images."""

    def __init__(self, name: str, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.model = CNN((1, 8, 8), 10)
        self.optimizer = build(self.model, settings(name))
        generator = torch.Generator().manual_seed(1)
        self.targets = torch.arange(20) % 10
        patterns = torch.randn(10, 1, 8, 8, generator=generator)
        self.images = patterns[self.targets] + 0.3 * torch.randn(20, 1, 8, 8, generator=generator)

    def train(self, steps: int) -> list[float]:
        def closure() -> float:
            self.optimizer.zero_grad()
            loss: Tensor = nn.functional.cross_entropy(self.model(self.images), self.targets)
            loss.backward()
            return loss.item()

        return [self.optimizer.step(closure) for _ in range(steps)]

    def weights(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.model.parameters()])


@pytest.mark.parametrize("name", NAMES)
def test_reduces_the_loss_and_repeats_bit_for_bit(name: str) -> None:
    one, other = Training(name), Training(name)
    losses = one.train(12)
    assert losses[-1] < losses[0]
    assert other.train(12) == losses
    assert torch.equal(one.weights(), other.weights())


@pytest.mark.parametrize("name", NAMES)
def test_continues_from_a_checkpoint_bit_for_bit(name: str) -> None:
    whole = Training(name)
    whole.train(3)
    saved = io.BytesIO()
    torch.save([whole.model.state_dict(), whole.optimizer.state_dict()], saved)
    losses = whole.train(3)
    saved.seek(0)
    model_state, optimizer_state = torch.load(saved, weights_only=True)
    continued = Training(name, seed=1)
    continued.model.load_state_dict(model_state)
    continued.optimizer.load_state_dict(optimizer_state)
    assert continued.train(3) == losses
    assert torch.equal(continued.weights(), whole.weights())


@pytest.mark.parametrize("name", NAMES)
def test_every_file_passes_the_check_without_touching_the_random_generator(name: str) -> None:
    state = torch.get_rng_state()
    values = settings(name)
    optimizers.check(typed(values))
    assert torch.equal(torch.get_rng_state(), state)
    assert values["name"] == name
    assert ("decay_bias_and_norm" in values) == ("weight_decay" in values)


@pytest.mark.parametrize("name", NAMES)
def test_search_ranges_are_of_arguments_that_exist(name: str) -> None:
    values = settings(name)
    known = {*optimizers.accepted(values["_target_"]), "beta1", "beta2"}
    only = values["search"]["lr_only"]
    assert set(only) == {"lr"}
    assert only["lr"]["low"] <= values["lr"] <= only["lr"]["high"]
    for key, track in values["search"]["family"].items():
        assert key in known
        assert track["low"] < track["high"]
        assert track["scale"] in ("log", "uniform", "one_minus_log")


@pytest.mark.parametrize("name", [name for name in NAMES if "weight_decay" in settings(name)])
def test_weight_decay_spares_biases_and_norms(name: str) -> None:
    """A step without gradient moves what decays, and nothing else."""

    def moved(decay_bias_and_norm: bool) -> dict[str, bool]:
        torch.manual_seed(0)
        model = ResNet18((1, 8, 8), 10)
        for p in model.parameters():
            p.data.fill_(0.5)
            p.grad = torch.zeros_like(p)
        extra = {"adamw_weight_decay": 0.1} if name == "muon" else {"lambd": 0.0} if name == "asgd" else {}
        values = settings(name, weight_decay=0.1, decay_bias_and_norm=decay_bias_and_norm, **extra)
        build(model, values).step()
        return {n: bool((p != 0.5).any()) for n, p in model.named_parameters()}

    everything = moved(True)
    assert all(everything.values())
    weights_only = moved(False)
    assert weights_only == {n: p.ndim > 1 for n, p in ResNet18((1, 8, 8), 10).named_parameters()}


def test_frozen_parameters_are_left_out() -> None:
    model = CNN((1, 8, 8), 10)
    model.layers[0].weight.requires_grad_(False)
    for values in (settings("adam"), settings("adam", decay_bias_and_norm=False), settings("muon")):
        groups = optimizers.parameter_groups(model, typed(values))
        given = [p for g in groups for p in (g["params"] if isinstance(g, dict) else [g])]
        assert len(given) == len(list(model.parameters())) - 1


def test_own_keys_do_not_reach_torch() -> None:
    values = settings("adam")
    assert set(typed(values).arguments) == {"lr", "betas", "eps", "amsgrad", "weight_decay"}


def test_only_split_optimizers_describe_themselves() -> None:
    assert optimizers.describe(torch.optim.SGD(Linear((4,), 2).parameters())) is None
    line = optimizers.describe(build(CNN3C3D((3, 32, 32), 10), settings("muon")))
    assert "Muon: 4 tensors" in line
    assert "AdamW: 8 tensors" in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beta": 0.9}, ["optimizer.beta", "Adam takes no 'beta'", "lr, betas, eps", "did you mean optimizer.betas?"]),
        ({"warp": 9}, ["optimizer.warp", "takes no 'warp'", "amsgrad", "~optimizer.warp"]),
        ({"lr": -0.1}, ["optimizer.lr=-0.1: must be 0 or more"]),
        ({"lr": float("nan")}, ["optimizer.lr=nan", "finite"]),
        ({"lr": "fast"}, ["optimizer.lr=fast: must be a number"]),
        ({"lr": None}, ["optimizer.lr=null: must be a number"]),
        ({"lr": True}, ["optimizer.lr=True: must be a number"]),
        ({"betas": 0.9}, ["optimizer.betas=0.9: must be a list of 2 values, each a number"]),
        ({"betas": [0.9]}, ["must be a list of 2 values"]),
        ({"amsgrad": "perhaps"}, ["optimizer.amsgrad=perhaps: must be true or false"]),
        ({"betas": [1.5, 0.9]}, ["optimizer=adam", "Invalid beta parameter at index 0: 1.5"]),
        ({"eps": -1.0}, ["optimizer=adam", "Invalid epsilon value: -1.0"]),
        ({"decay_bias_and_norm": "no"}, ["optimizer.decay_bias_and_norm=no: must be true or false"]),
        ({"_target_": "torch.optim.Adamm"}, ["torch.optim has no 'Adamm'", "did you mean torch.optim.Adam?"]),
        (
            {"_target_": "torch.optm.Adam"},
            ["_target_=torch.optm.Adam: torch has no", "has no 'optm'; did you mean torch.optim.Adam?"],
        ),
        ({"_target_": "Adam"}, ["must be the full name of a class, such as torch.optim.Adam"]),
        ({"_target_": None}, ["optimizer._target_=null: must be text"]),
        ({"_target_": "torch.nn.Linear"}, ["not a subclass of torch.optim.Optimizer"]),
        ({"_target_": "no_such_package.Adam"}, ["No module named 'no_such_package'"]),
    ],
)
def test_bad_settings_get_one_clear_line(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        optimizers.check(typed(settings("adam", **changes)))
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


def test_other_optimizers_bad_settings() -> None:
    with pytest.raises(UserError, match="Rprop has no weight decay"):
        optimizers.check(typed(settings("rprop", decay_bias_and_norm=False)))
    with pytest.raises(UserError, match="Nesterov momentum requires a momentum"):
        optimizers.check(typed(settings("sgd", nesterov=True)))
    with pytest.raises(UserError, match="dense gradients"):
        optimizers.check(typed({"name": "custom", "_target_": "torch.optim.SparseAdam", "lr": 0.1}))
    with pytest.raises(UserError, match=r"optimizer.max_iter=2.5: must be a whole number"):
        optimizers.check(typed(settings("lbfgs", max_iter=2.5)))
    with pytest.raises(UserError, match=r"adjust_lr_fn=x: must be one of original, match_rms_adamw or null"):
        optimizers.check(typed(settings("muon", adjust_lr_fn="x")))


class Forwarding(torch.optim.SGD):
    """Takes its base's arguments through **kwargs."""

    def __init__(self, params: Iterable[nn.Parameter], warmth: int = 1, **kwargs: Any) -> None:
        super().__init__(params, **kwargs)


def test_keyword_arguments_stand_for_the_base_class() -> None:
    target = f"{__name__}.Forwarding"
    assert optimizers.accepted(target)[:3] == ["warmth", "lr", "momentum"]
    optimizers.check(typed({"_target_": target, "lr": 0.1, "momentum": 0.9}))
    with pytest.raises(UserError, match=r"Forwarding takes no 'momentun'.*did you mean optimizer.momentum"):
        optimizers.check(typed({"_target_": target, "lr": 0.1, "momentun": 0.9}))


def test_missing_pytorch_optimizer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pytorch_optimizer", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[optimizers\]'"):
        optimizers.check(typed({"_target_": "pytorch_optimizer.Lion", "lr": 0.1}))
