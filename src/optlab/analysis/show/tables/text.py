"""How the numbers of a table are written, in the unit of their metric."""

from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.statistics import LEAST_SEEDS, Spread


def plus_minus(metric: Metric, values: Spread, diverged: int) -> str:
    """`97.31 ± 0.24`, in the unit shown; without the sd where it is but the distance of one seed to chance level."""
    sd = None if diverged and values.n < LEAST_SEEDS else values.sd
    return metric.number(values.mean) if sd is None else f"{metric.number(values.mean)} ± {metric.number(sd)}"


def signed(metric: Metric, value: float) -> str:
    return ("+" if value >= 0 else "−") + metric.number(abs(value))


def p_text(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"
