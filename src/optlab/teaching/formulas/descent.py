"""Gradient descent: SGD, with momentum and Nesterov's; and the two kinds of weight decay that all formulas share."""

from collections.abc import Mapping

from optlab.teaching.formulas.formula import Effective, Formula, Line

Options = Mapping[str, object]


def gradient(options: Options) -> tuple[str, tuple[Line, ...]]:
    """The name of the gradient that a formula goes on with, and the line that makes it, if there is one.

    `maximize` turns the sign round; weight decay as L2 adds to the gradient.
    """
    sign = "-g" if options.get("maximize") else "g"
    if options.get("weight_decay") and not options.get("decoupled"):
        return "g_used", (Line(f"g_used = {sign} + weight_decay * w_prev", departures=("l2",)),)
    if options.get("maximize"):
        return "g_used", (Line("g_used = -g"),)
    return "g", ()


def decay(options: Options) -> tuple[str, tuple[Line, ...]]:
    """The name of the weight that a formula goes on with, and the line of the decoupled decay, if there is one."""
    if options.get("weight_decay") and options.get("decoupled"):
        return "w_decayed", (Line("w_decayed = w_prev * (1 - lr * weight_decay)", departures=("decoupled",)),)
    return "w_prev", ()


def sgd(options: Options) -> Formula:
    """`torch.optim.SGD` in all its variants."""
    g, before = gradient(options)
    if not options.get("momentum"):
        lines = (*before, Line(f"w = w_prev - lr * {g}", "w"))
        return Formula("SGD", lines, {}, "Robbins & Monro 1951", Effective("effective = lr"))
    share = "(1 - dampening) * " if options.get("dampening") else ""
    note = ("first_buffer_dampening",) if share else ("first_buffer",)
    buffer = Line(f"b = {g} if first else momentum * b_prev + {share}{g}", "momentum_buffer", departures_then=note)
    kept = "(1 - dampening) / (1 - momentum)" if share else "/ (1 - momentum)"
    effective = Effective(f"effective = lr * {kept}" if share else f"effective = lr {kept}")
    if options.get("nesterov"):
        lines = (
            *before,
            buffer,
            Line(f"u = {g} + momentum * b", departures=("nesterov",)),
            Line("w = w_prev - lr * u", "w", departures=("lr_outside",)),
        )
        source = "Sutskever et al. 2013, equations 3 and 4"
        return Formula("SGD with Nesterov momentum", lines, {"momentum_buffer": 0.0}, source, effective)
    lines = (*before, buffer, Line("w = w_prev - lr * b", "w", departures=("lr_outside",)))
    source = "Polyak 1964; Sutskever et al. 2013, equations 1 and 2"
    return Formula("SGD with momentum", lines, {"momentum_buffer": 0.0}, source, effective)
