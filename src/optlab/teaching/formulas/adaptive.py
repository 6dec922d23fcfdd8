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


def adamax(options: Options) -> Formula:
    """`torch.optim.Adamax`."""
    g, before = gradient(options)
    lines = (
        Line("t = n + 1", "step"),
        *before,
        Line(f"m = lerp(m_prev, {g}, 1 - beta1)", "exp_avg"),
        Line(f"inf = max(beta2 * inf_prev, abs({g}) + eps)", "exp_inf", departures=("adamax_eps",)),
        Line("m_hat = m / (1 - beta1**t)"),
        Line("w = w_prev - lr * m_hat / inf", "w"),
    )
    state = {"step": 0.0, "exp_avg": 0.0, "exp_inf": 0.0}
    return Formula("Adamax", lines, state, "Kingma & Ba 2015, Algorithm 2", Effective("effective = lr / inf"))


def nadam(options: Options) -> Formula:
    """`torch.optim.NAdam`, with weight decay of both kinds."""
    g, before = gradient(options)
    w, decayed = decay(options)
    lines = (
        Line("t = n + 1", "step"),
        *decayed,
        *before,
        Line("mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))", departures=("nadam_schedule",)),
        Line("mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))"),
        Line("product = single(product_prev * single(mu))", "mu_product"),
        Line(f"m = lerp(m_prev, {g}, 1 - beta1)", "exp_avg"),
        Line(f"v = beta2 * v_prev + (1 - beta2) * {g} * {g}", "exp_avg_sq"),
        Line(f"m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * {g} / (1 - product)"),
        Line("v_hat = v / (1 - beta2**t)"),
        Line(f"w = {w} - lr * m_hat / (sqrt(v_hat) + eps)", "w", departures=("adam_eps",)),
    )
    state = {"step": 0.0, "exp_avg": 0.0, "exp_avg_sq": 0.0, "mu_product": 1.0}
    source = "Dozat 2016"
    return Formula("NAdam", lines, state, source, Effective("effective = lr / (sqrt(v_hat) + eps)"))


def radam(options: Options) -> Formula:
    """`torch.optim.RAdam`, with weight decay of both kinds; whether a step is rectified shows when it is worked."""
    g, before = gradient(options)
    w, decayed = decay(options)
    rectified = "sqrt((rho_t - 4) * (rho_t - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho_t))"
    lines = (
        Line("t = n + 1", "step"),
        *decayed,
        *before,
        Line(f"m = lerp(m_prev, {g}, 1 - beta1)", "exp_avg"),
        Line(f"v = beta2 * v_prev + (1 - beta2) * {g} * {g}", "exp_avg_sq"),
        Line("m_hat = m / (1 - beta1**t)"),
        Line("rho_inf = 2 / (1 - beta2) - 1"),
        Line("rho_t = rho_inf - 2 * t * beta2**t / (1 - beta2**t)"),
        Line(f"r = {rectified} if rho_t > 5 else 1", departures=("radam_threshold",)),
        Line("l = sqrt(1 - beta2**t) / (sqrt(v) + eps) if rho_t > 5 else 1", departures_then=("radam_eps",)),
        Line(f"w = {w} - lr * m_hat * r * l", "w"),
    )
    state = {"step": 0.0, "exp_avg": 0.0, "exp_avg_sq": 0.0}
    return Formula("RAdam", lines, state, "Liu et al. 2020, Algorithm 2", Effective("effective = lr * r * l"))
