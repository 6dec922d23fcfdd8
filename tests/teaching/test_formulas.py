"""Formulas on file: against torch over random states, how they are written, and what is not on file."""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import Tensor

from optlab.muon import MuonAdamW
from optlab.teaching import formulas
from optlab.teaching.formulas import SOURCES, SYMBOLS, Formula, Worked, ulps
from optlab.teaching.formulas.language import Tree
from optlab.teaching.formulas.text import condition_text
from optlab.teaching.formulas.ulps import round_to_bfloat16
from optlab.teaching.words import WORDS

# Class, options, what the variant is called.
VARIANTS: list[tuple[str, dict[str, Any], str]] = [
    ("torch.optim.SGD", {}, "SGD"),
    ("torch.optim.SGD", {"weight_decay": 0.1}, "SGD"),
    ("torch.optim.SGD", {"momentum": 0.9, "maximize": True}, "SGD with momentum"),
    ("torch.optim.SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}, "SGD with momentum"),
    ("torch.optim.SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, "SGD with Nesterov momentum"),
    ("torch.optim.Adam", {}, "Adam"),
    ("torch.optim.Adam", {"weight_decay": 0.1, "betas": (0.3, 0.9), "eps": 1e-3}, "Adam"),
    ("torch.optim.Adam", {"amsgrad": True, "maximize": True, "weight_decay": 0.1}, "AMSGrad"),
    ("torch.optim.Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, "AdamW"),
    ("torch.optim.AdamW", {"weight_decay": 0.0}, "AdamW"),
    ("torch.optim.AdamW", {"amsgrad": True, "weight_decay": 0.1}, "AdamW with AMSGrad"),
    ("torch.optim.RMSprop", {}, "RMSprop"),
    ("torch.optim.RMSprop", {"centered": True, "weight_decay": 0.1, "alpha": 0.7}, "RMSprop, centred"),
    ("torch.optim.RMSprop", {"momentum": 0.9, "maximize": True}, "RMSprop, with momentum"),
    ("torch.optim.RMSprop", {"momentum": 0.9, "centered": True, "eps": 1e-3}, "RMSprop, centred, with momentum"),
    ("torch.optim.Adagrad", {}, "Adagrad"),
    ("torch.optim.Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}, "Adagrad"),
    ("torch.optim.Adadelta", {"weight_decay": 0.1, "maximize": True}, "Adadelta"),
    ("torch.optim.Adamax", {"weight_decay": 0.1, "eps": 1e-3}, "Adamax"),
    ("torch.optim.NAdam", {}, "NAdam"),
    ("torch.optim.NAdam", {"weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}, "NAdam"),
    ("torch.optim.NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, "NAdam"),
    ("torch.optim.RAdam", {"weight_decay": 0.1}, "RAdam"),
    ("torch.optim.RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.5, 0.9)}, "RAdam"),
    ("pytorch_optimizer.Lion", {}, "Lion"),
    ("pytorch_optimizer.Lion", {"weight_decay": 0.1, "maximize": True}, "Lion"),
    ("pytorch_optimizer.Lion", {"weight_decay": 0.1, "weight_decouple": False}, "Lion"),
    ("pytorch_optimizer.Lion", {"weight_decay": 0.1, "fixed_decay": True}, "Lion"),
]
MUON: list[tuple[str, dict[str, Any], str]] = [
    ("torch.optim.Muon", {"weight_decay": 0.1, "nesterov": True}, "Muon with Nesterov momentum"),
    ("torch.optim.Muon", {"weight_decay": 0.1, "nesterov": False}, "Muon"),
]
STEPS = 8  # more than RAdam waits before it rectifies
SHAPES = [(7, 5), (5,), (4, 3, 3, 3)]


def _class(name: str) -> Any:
    package, _, cls = name.rpartition(".")
    return getattr(importlib.import_module(package), cls)


def _steps(
    cls_name: str, options: Mapping[str, Any], dtype: torch.dtype, **how: Any
) -> Iterator[tuple[Formula, Worked, dict[str, Tensor]]]:
    """Steps of the real class over several parameters: the formula, worked before, and what torch has behind."""
    generator = torch.Generator().manual_seed(1)
    weights = [torch.nn.Parameter(torch.randn(shape, dtype=dtype, generator=generator)) for shape in SHAPES]
    optimizer = _class(cls_name)(weights, lr=0.05, **options, **how)
    for _ in range(STEPS):
        worked = []
        for weight in weights:
            weight.grad = torch.randn(weight.shape, dtype=dtype, generator=generator)
            formula = formulas.find(cls_name, formulas.options(optimizer, optimizer.param_groups[0]))
            assert formula is not None
            state = {name: value.numpy().copy() for name, value in optimizer.state[weight].items()}
            group = formulas.options(optimizer, optimizer.param_groups[0])
            given = formula.collect(group, state, weight.grad.numpy().copy(), weight.detach().numpy().copy())
            worked.append((formula, formula.work(given), weight))
        optimizer.step()
        for formula, work, weight in worked:
            yield formula, work, {**optimizer.state[weight], "w": weight.detach()}


def _scale(work: Worked, value: Any) -> Any:
    """The size of what goes into a line: the rounding of a difference is that of its terms."""
    arrays = [np.abs(each) for each in work.values.values() if np.ndim(each)]
    return np.maximum(np.max(arrays, axis=0), 1e-30)


@pytest.mark.parametrize(("cls_name", "options", "name"), VARIANTS)
def test_a_formula_computes_what_torch_computes(cls_name: str, options: dict[str, Any], name: str) -> None:
    count = 0
    for formula, work, behind in _steps(cls_name, options, torch.float64, foreach=False):
        assert formula.name == name
        after = work.after()
        assert set(behind) == set(after)
        for entry, value in after.items():
            apart = np.abs(value - behind[entry].numpy()) / _scale(work, value)
            assert np.max(apart) <= 4 * np.finfo(np.float64).eps, entry
        count += 1
    assert count == STEPS * len(SHAPES)


@pytest.mark.parametrize(("cls_name", "options", "name"), VARIANTS)
def test_a_formula_is_written_in_xml_with_known_symbols(cls_name: str, options: dict[str, Any], name: str) -> None:
    _, work, _ = list(_steps(cls_name, options, torch.float64))[-1]
    at = work.at((0,) * np.ndim(work.values["w"]))
    for line in work.lines:
        written = ElementTree.fromstring(line.mathml)
        filled = ElementTree.fromstring(line.numbers_mathml(at))
        symbols = {each.get("data-symbol") for each in written.iter() if each.get("data-symbol")}
        assert symbols == {each.get("data-symbol") for each in filled.iter() if each.get("data-symbol")}
        assert symbols <= set(SYMBOLS)
        assert symbols <= set(at)
        ElementTree.fromstring(line.line.mathml)  # both branches of a choice
        assert not re.search("[-−+·/] [-−]", line.numbers(at))


@pytest.mark.parametrize(("cls_name", "options", "name"), VARIANTS)
def test_the_tree_of_a_line_gives_its_number(cls_name: str, options: dict[str, Any], name: str) -> None:
    _, work, _ = list(_steps(cls_name, options, torch.float64))[-1]
    at = work.at((0,) * np.ndim(work.values["w"]))
    for line in work.lines:
        if line.tree is not None:
            assert _in_the_page(line.tree, at) == pytest.approx(at[line.key], rel=1e-14)


def _in_the_page(tree: Tree, at: Mapping[str, float]) -> float:
    """What the page's JavaScript does with a tree."""
    if isinstance(tree, str):
        return at[tree]
    if isinstance(tree, float):
        return tree
    operator, *parts = tree
    if operator == "if":
        return _in_the_page(parts[1] if _in_the_page(parts[0], at) else parts[2], at)
    a, *rest = [_in_the_page(part, at) for part in parts]
    match operator, rest:
        case "+", [b]:
            return a + b
        case "-", [b]:
            return a - b
        case "*", [b]:
            return a * b
        case "/", [b]:
            return a / b
        case "**", [b]:
            return float(a**b)
        case ">", [b]:
            return float(a > b)
        case "<=", [b]:
            return float(a <= b)
        case "neg", []:
            return -a
        case "sqrt", []:
            return float(a**0.5)
        case "abs", []:
            return abs(a)
        case "single", []:
            return float(np.float32(a))
        case "sign", []:
            return float(np.sign(a))
        case "max", [b]:
            return max(a, b)
        case "lerp", [b, share]:
            return a + share * (b - a)
    raise AssertionError(operator)


def test_float32_is_rounded_at_each_operation_as_torch_does() -> None:
    """The weights agree to an ulp or two, although no sum is taken in float64."""
    for cls_name, options, _ in VARIANTS:
        for _, work, behind in _steps(cls_name, options, torch.float32, foreach=False):
            value = work.after()["w"]
            assert isinstance(value, np.ndarray)
            assert value.dtype == np.float32
            apart = np.abs(value - behind["w"].numpy()) / _scale(work, value)
            assert np.max(apart) <= 4 * np.finfo(np.float32).eps, (cls_name, options)


def test_adam_is_written_as_in_the_paper() -> None:
    formula = formulas.find("torch.optim.Adam", {"betas": (0.9, 0.999)})
    assert formula is not None
    assert [line.symbols for line in formula.lines] == [
        "t = n + 1",
        "m_t = β₁·m_{t-1} + (1 − β₁)·g_t",
        "v_t = β₂·v_{t-1} + (1 − β₂)·g_t²",
        "m̂_t = m_t / (1 − β₁^t)",
        "v̂_t = v_t / (1 − β₂^t)",
        "w_t = w_{t-1} − lr·m̂_t / (√v̂_t + ε)",
    ]
    given = formula.collect({"lr": 0.1, "betas": (0.9, 0.5), "eps": 1e-8}, {}, np.array([-0.5]), np.array([-2.0]))
    worked = formula.work(given)
    at = worked.at((0,))
    assert [line.numbers(at) for line in worked.lines] == [
        "t = 0 + 1",
        "m_t = 0.9·0 + (1 − 0.9)·(−0.5)",
        "v_t = 0.5·0 + (1 − 0.5)·(−0.5)²",
        "m̂_t = −0.05 / (1 − 0.9^1)",
        "v̂_t = 0.125 / (1 − 0.5^1)",
        "w_t = −2 − 0.1·(−0.5) / (√(0.25) + 1e-8)",
    ]
    assert at["w"] == pytest.approx(-1.9)
    assert worked.effective == pytest.approx(0.1 / 0.5)


def test_the_first_momentum_buffer_is_the_gradient() -> None:
    formula = formulas.find("torch.optim.SGD", {"momentum": 0.9, "dampening": 0.5})
    assert formula is not None
    group = {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}
    first = formula.work(formula.collect(group, {}, np.array([2.0]), np.array([1.0])))
    assert first.lines[0].symbols == "b_t = g_t"
    assert first.lines[0].departures == ("first_buffer_dampening",)
    state = {"momentum_buffer": first.lines[0].value}
    second = formula.work(formula.collect(group, state, np.array([2.0]), np.array([1.0])))
    assert second.lines[0].symbols == "b_t = μ·b_{t-1} + (1 − τ)·g_t"
    assert second.lines[0].departures == ()
    assert second.after()["momentum_buffer"] == pytest.approx([0.9 * 2 + 0.5 * 2])


@pytest.mark.parametrize(
    ("cls_name", "group"),
    [
        ("torch.optim.LBFGS", {}),
        ("mine.optim.Adam", {}),
        ("torch.optim.SGD", {"momentum": 0.9, "clipped_by": 3}),
        ("pytorch_optimizer.Lion", {"cautious": True}),
        ("torch.optim.Muon", {"ns_coefficients": (2.0, -1.5, 0.5)}),
        ("torch.optim.Muon", {"adjust_lr_fn": "something new"}),
    ],
)
def test_what_is_not_on_file_has_no_formula(cls_name: str, group: dict[str, Any]) -> None:
    assert formulas.find(cls_name, group) is None


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_ulps_count_the_numbers_between(precision: str) -> None:
    kind = getattr(torch, precision)
    values = torch.tensor([0.0, 1.0, -1.0, 1e-40 if precision != "bfloat16" else 1e-38, 3.5e4, -0.1], dtype=kind)
    above = values.clone()
    for distance in range(4):
        counted = ulps(values.double().numpy(), above.double().numpy(), precision)
        assert counted.tolist() == [distance] * len(values)
        above = _next(above)
    assert ulps(0.0, -0.0, precision) == 0
    assert ulps(np.nan, np.nan, precision) == 0
    assert ulps(np.nan, 1.0, precision) == np.iinfo(np.int64).max
    assert ulps(-1.0, 1.0, precision) == 2 * ulps(0.0, 1.0, precision)


def _next(values: Tensor) -> Tensor:
    """torch.nextafter, which knows no bfloat16, from the bits."""
    whole = {torch.float64: torch.int64, torch.float32: torch.int32, torch.bfloat16: torch.int16}[values.dtype]
    bits = values.view(whole)
    return torch.where(values < 0, bits - 1, bits + 1).view(values.dtype)


MUON_TOLERANCE = 0.02  # of the root mean square of an orthogonal matrix: bfloat16 sums in another order


@pytest.mark.parametrize("shape", [(48, 96), (96, 48), (10, 10)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nesterov": False, "adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.0},
        {"ns_steps": 3, "adjust_lr_fn": "spectral_unclamped"},
    ],
)
def test_muon_is_orthogonalised_as_torch_does(shape: tuple[int, int], options: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(shape, generator=generator))
    optimizer = torch.optim.Muon([weight], lr=0.02, **options)
    for _ in range(3):
        weight.grad = torch.randn(shape, generator=generator)
        work = _work("torch.optim.Muon", optimizer, weight)
        optimizer.step()
        _assert_muon_agrees(work, weight, optimizer)


def test_our_muon_follows_muon_on_hidden_weights_and_adamw_elsewhere() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {"first": (8, 3, 3, 3), "hidden": (16, 8, 3, 3), "hidden.bias": (16,)}
    weights = {name: torch.nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in shapes.items()}
    groups = [
        {"params": [weights["hidden"]], "names": ["hidden"], "use_muon": True},
        {"params": [weights["first"], weights["hidden.bias"]], "names": ["first", "hidden.bias"], "use_muon": False},
    ]
    optimizer = MuonAdamW(groups, lr=0.02)
    for _ in range(3):
        for weight in weights.values():
            weight.grad = torch.randn(weight.shape, generator=generator)
        worked = {name: _work("optlab.muon.MuonAdamW", optimizer, weight) for name, weight in weights.items()}
        optimizer.step()
        assert [work.formula.name for work in worked.values()] == ["AdamW", "Muon with Nesterov momentum", "AdamW"]
        _assert_muon_agrees(worked["hidden"], weights["hidden"], optimizer)
        for name in ("first", "hidden.bias"):
            assert np.max(ulps(worked[name].after()["w"], weights[name].detach().numpy())) <= 2


def _work(cls_name: str, optimizer: torch.optim.Optimizer, weight: Tensor) -> Worked:
    """The step that the optimizer is about to take with one parameter."""
    (group,) = [each for each in optimizer.param_groups if any(p is weight for p in each["params"])]
    formula = formulas.find(cls_name, formulas.options(optimizer, group))
    assert formula is not None
    state = {name: value.numpy().copy() for name, value in optimizer.state[weight].items()}
    gradient: Any = weight.grad
    return formula.work(formula.collect(group, state, gradient.numpy().copy(), weight.detach().numpy().copy()))


def _assert_muon_agrees(work: Worked, weight: Tensor, optimizer: torch.optim.Optimizer) -> None:
    before = np.asarray(work.values.get("w_decayed", work.values["w_prev"]))
    torchs = (before - weight.detach().numpy()) / work.values["lr_matrix"]
    ours = np.asarray(work.values["o"])
    size = np.sqrt(np.mean(torchs**2))
    assert np.sqrt(np.mean((ours - torchs) ** 2)) <= MUON_TOLERANCE * size
    buffer = np.asarray(work.after()["momentum_buffer"])
    assert np.max(np.abs(buffer - optimizer.state[weight]["momentum_buffer"].numpy())) <= 1e-6
    line = next(line for line in work.lines if line.key == "o")
    assert line.tree is None
    taken = "u_t" if "u" in work.values else "b_t"
    assert line.symbols == f"O_t = NewtonSchulz({taken}, k)"
    steps = optimizer.param_groups[0]["ns_steps"]
    assert line.numbers(work.at((0,) * weight.ndim)) == f"O_t = NewtonSchulz({taken}, {steps})"


@pytest.mark.parametrize(
    "cls_name", ["torch.optim.SGD", "torch.optim.Adam", "torch.optim.AdamW", "torch.optim.Adagrad"]
)
def test_fused_kernels_of_the_cpu_agree_to_a_few_roundings(cls_name: str) -> None:
    """They are what runs use, and their order of operations is their own."""
    for _, work, behind in _steps(cls_name, {"weight_decay": 0.1}, torch.float32, fused=True):
        for entry, value in work.after().items():
            apart = np.abs(value - behind[entry].numpy()) / _scale(work, value)
            assert np.max(apart) <= 8 * np.finfo(np.float32).eps, entry


def test_radam_says_which_branch_it_took() -> None:
    taken = []
    for _, work, _ in _steps("torch.optim.RAdam", {}, torch.float64):
        line = next(line for line in work.lines if line.key == "r")
        assert line.condition is not None
        taken.append((condition_text(line.condition), line.symbols == "r_t = 1 (ρ_t ≤ 5)"))
        at = work.at((0,) * np.ndim(work.values["w"]))
        assert line.numbers(at).endswith(f"({condition_text(line.condition, at)})")
    unrectified, rectified = ("ρ_t ≤ 5", True), ("ρ_t > 5", False)
    assert taken[:: len(SHAPES)] == [unrectified] * 5 + [rectified] * 3


def test_each_departure_is_in_words_with_a_source_and_stands_at_a_line() -> None:
    at_lines = set()
    for cls_name, options, _ in [*VARIANTS, *MUON]:
        formula = formulas.find(cls_name, {"weight_decouple": True, **options} if "Lion" in cls_name else options)
        assert formula is not None
        for line in formula.lines:
            at_lines |= {*line.departures, *line.departures_then}
    in_words = {key.removeprefix("departure.") for key in WORDS if key.startswith("departure.")}
    assert at_lines == in_words == set(SOURCES)
    for sources in SOURCES.values():
        assert all(source.url.startswith("http") and source.name for source in sources)


def test_bfloat16_is_rounded_as_torch_rounds_it() -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    ties = (values.bfloat16().view(torch.int16).to(torch.int32) << 16 | 0x8000).view(torch.float32)
    for given in (values, ties):
        assert np.array_equal(round_to_bfloat16(given.numpy()), given.bfloat16().float().numpy())


def test_the_docs_name_every_formula_on_file() -> None:
    page = (Path(__file__).parents[2] / "docs" / "inside.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\| `(.+?)` \| (.+?) \|.*\| (.+?) \|$", page, re.MULTILINE))
    on_file = set()
    for cls_name, options, name in [*VARIANTS, *MUON]:
        formula = formulas.find(cls_name, options)
        assert formula is not None
        assert formula.name == name
        on_file.add((cls_name, name, formula.source))
    assert on_file <= shown
