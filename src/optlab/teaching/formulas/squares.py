"""Steps divided by the root of squared gradients: RMSprop, Adagrad, Adadelta."""

from optlab.teaching.formulas.descent import Options, gradient
from optlab.teaching.formulas.formula import Effective, Formula, Line


def rmsprop(options: Options) -> Formula:
    """`torch.optim.RMSprop`, `centered` or not, with momentum or without."""
    g, before = gradient(options)
    centred, momentum = bool(options.get("centered")), bool(options.get("momentum"))
    state = {"step": 0.0, "square_avg": 0.0}
    square = Line(f"s = alpha * s_prev + (1 - alpha) * {g} * {g}", "square_avg", departures=("rmsprop_alpha",))
    mean: tuple[Line, ...] = ()
    root = "(sqrt(s) + eps)"
    if centred:
        state["grad_avg"] = 0.0
        mean = (Line(f"a = lerp(a_prev, {g}, 1 - alpha)", "grad_avg"),)
        root = "(sqrt(s - a * a) + eps)"
    last: tuple[Line, ...] = (Line(f"w = w_prev - lr * {g} / {root}", "w", departures=("rmsprop_eps",)),)
    if momentum:
        state["momentum_buffer"] = 0.0
        last = (
            Line(f"b = momentum * b_prev + {g} / {root}", "momentum_buffer", departures=("rmsprop_eps",)),
            Line("w = w_prev - lr * b", "w", departures=("lr_outside_rmsprop",)),
        )
    names = [name for name, chosen in (("centred", centred), ("with momentum", momentum)) if chosen]
    source = "Tieleman & Hinton 2012, lecture 6e" + ("; Graves 2013" if centred else "")
    effective = f"effective = lr / {root}" + (" / (1 - momentum)" if momentum else "")
    lines = (Line("t = n + 1", "step"), *before, square, *mean, *last)
    return Formula(", ".join(["RMSprop", *names]), lines, state, source, Effective(effective))


def adagrad(options: Options) -> Formula:
    """`torch.optim.Adagrad` on dense gradients."""
    g, before = gradient(options)
    slowed = bool(options.get("lr_decay"))
    lr = "lr_t" if slowed else "lr"
    lines = (
        Line("t = n + 1", "step"),
        *before,
        *((Line("lr_t = lr / (1 + (t - 1) * lr_decay)", departures=("adagrad_lr_decay",)),) if slowed else ()),
        Line(f"total = total_prev + {g} * {g}", "sum", departures=("adagrad_start",)),
        Line(f"w = w_prev - {lr} * {g} / (sqrt(total) + eps)", "w"),
    )
    start = options.get("initial_accumulator_value")
    state = {"step": 0.0, "sum": float(start) if isinstance(start, (int, float)) else 0.0}
    source = "Duchi, Hazan & Singer 2011, Figure 1"
    return Formula("Adagrad", lines, state, source, Effective(f"effective = {lr} / (sqrt(total) + eps)"))


def adadelta(options: Options) -> Formula:
    """`torch.optim.Adadelta`."""
    g, before = gradient(options)
    lines = (
        Line("t = n + 1", "step"),
        *before,
        Line(f"s = rho * s_prev + (1 - rho) * {g} * {g}", "square_avg"),
        Line(f"delta = sqrt(d_prev + eps) / sqrt(s + eps) * {g}", departures=("adadelta_eps",)),
        Line("d = rho * d_prev + (1 - rho) * delta * delta", "acc_delta"),
        Line("w = w_prev - lr * delta", "w", departures=("adadelta_lr",)),
    )
    state = {"step": 0.0, "square_avg": 0.0, "acc_delta": 0.0}
    effective = Effective("effective = lr * sqrt(d_prev + eps) / sqrt(s + eps)")
    return Formula("Adadelta", lines, state, "Zeiler 2012, Algorithm 1", effective)
