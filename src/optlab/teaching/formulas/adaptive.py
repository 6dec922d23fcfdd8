"""Adam and its relatives: a step of its own for every weight, from running means of gradients and of their squares."""

from optlab.teaching.formulas.descent import Options, decay, gradient
from optlab.teaching.formulas.formula import Effective, Formula, Line


def adam(options: Options) -> Formula:
    """`torch.optim.Adam`, `AdamW` and `amsgrad` of both."""
    g, before = gradient(options)
    w, decayed = decay(options)
    amsgrad = bool(options.get("amsgrad"))
    state = {"step": 0.0, "exp_avg": 0.0, "exp_avg_sq": 0.0}
    largest: tuple[Line, ...] = ()
    if amsgrad:
        state["max_exp_avg_sq"] = 0.0
        largest = (Line("v_max = max(v_max_prev, v)", "max_exp_avg_sq", departures=("amsgrad",)),)
    lines = (
        Line("t = n + 1", "step"),
        *decayed,
        *before,
        Line(f"m = lerp(m_prev, {g}, 1 - beta1)", "exp_avg"),
        Line(f"v = beta2 * v_prev + (1 - beta2) * {g} * {g}", "exp_avg_sq"),
        *largest,
        Line("m_hat = m / (1 - beta1**t)"),
        Line(f"v_hat = {'v_max' if amsgrad else 'v'} / (1 - beta2**t)"),
        Line(f"w = {w} - lr * m_hat / (sqrt(v_hat) + eps)", "w", departures=("adam_eps",)),
    )
    name, source = "Adam", "Kingma & Ba 2015, Algorithm 1"
    if options.get("decoupled"):
        name, source = "AdamW", "Loshchilov & Hutter 2019, Algorithm 2"
    if amsgrad:
        name = "AMSGrad" if name == "Adam" else "AdamW with AMSGrad"
        source = f"Reddi, Kale & Kumar 2018, Algorithm 2; {source}"
    return Formula(name, lines, state, source, Effective("effective = lr / (sqrt(v_hat) + eps)"))
