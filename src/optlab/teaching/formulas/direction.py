"""Steps that keep a direction and give up its size: Lion, Muon."""

from optlab.teaching.formulas.descent import Options, decay, gradient
from optlab.teaching.formulas.formula import Effective, Formula, Line
from optlab.teaching.formulas.orthogonal import COEFFICIENTS, EPS


def lion(options: Options) -> Formula:
    """`pytorch_optimizer.Lion`, with weight decay of its three kinds."""
    g, before = gradient(options)
    w, decayed = decay(options)
    if decayed and options.get("fixed_decay"):
        decayed = (Line("w_decayed = w_prev * (1 - weight_decay)", departures=("decoupled_fixed",)),)
    lines = (
        *decayed,
        *before,
        Line(f"c = lerp(m_prev, {g}, 1 - beta1)"),
        Line(f"m = lerp(m_prev, {g}, 1 - beta2)", "exp_avg"),
        Line(f"w = {w} - lr * sign(c)", "w"),
    )
    return Formula(
        "Lion", lines, {"exp_avg": 0.0}, "Chen et al. 2023, Algorithm 2", Effective("effective = lr", "sign")
    )


# What a matrix's shape makes of the learning rate, by `adjust_lr_fn`.
_RATES = {
    None: "lr * sqrt(max(1, rows / columns))",
    "original": "lr * sqrt(max(1, rows / columns))",
    "match_rms_adamw": "lr * 0.2 * sqrt(max(rows, columns))",
    "spectral_unclamped": "lr * sqrt(rows / columns)",
}


def muon(options: Options) -> Formula | None:
    """`torch.optim.Muon`; None for another polynomial than torch's default."""
    rate = _RATES.get(options.get("adjust_lr_fn"))  # type: ignore[call-overload]  # of any type in a user's group
    coefficients = options.get("ns_coefficients", COEFFICIENTS)
    if rate is None or tuple(coefficients) != COEFFICIENTS or options.get("eps", EPS) != EPS:  # type: ignore[arg-type]
        return None
    w, decayed = decay({**options, "decoupled": True})
    nesterov = bool(options.get("nesterov"))
    update = "u" if nesterov else "b"
    lines = (
        Line("b = lerp(b_prev, g, 1 - momentum)", "momentum_buffer", departures=("muon_mean",)),
        *((Line("u = lerp(g, b, momentum)"),) if nesterov else ()),
        Line(f"o = orthogonal({update}, ns_steps)", departures=("muon_orthogonal",)),
        Line(f"lr_matrix = {rate}", departures=("muon_lr",)),
        *decayed,
        Line(f"w = {w} - lr_matrix * o", "w"),
    )
    name = "Muon with Nesterov momentum" if nesterov else "Muon"
    source = "Jordan et al. 2024, kellerjordan.github.io/posts/muon"
    return Formula(name, lines, {"momentum_buffer": 0.0}, source, Effective("effective = lr_matrix", "matrix"))
