"""How each quantity of a formula is written, and what torch calls it."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Symbol:
    """A letter with what stands over, under and behind it.

    Attributes:
        base: the letter, or the letters of a name.
        below: the index below it: `t`, `t-1`, `1`.
        hat: whether it is corrected for its bias.
        prime: whether it is a quantity that weight decay or `maximize` has changed.
        torch: what torch calls it where it is given: `g`, `w`, an entry of the state, a hyperparameter. None: computed.
        kind: `gradient`, `weight`, `state`, `hyperparameter`, `count` or `computed`.
    """

    base: str
    below: str = ""
    hat: bool = False
    prime: bool = False
    torch: str | None = None
    kind: str = "computed"

    @property
    def text(self) -> str:
        """For a terminal: `m̂_t`, `β₁`, `m_{t-1}`."""
        letter = self.base + ("\N{COMBINING CIRCUMFLEX ACCENT}" if self.hat else "") + ("'" if self.prime else "")
        if not self.below:
            return letter
        if self.below.isdigit():
            return letter + self.below.translate(_SUBSCRIPT)
        return f"{letter}_{self.below}" if len(self.below) == 1 else f"{letter}_{{{self.below}}}"

    def mathml(self, name: str) -> str:
        """For a page, with `data-symbol` on the element that holds all of it."""
        mark = f' data-symbol="{escape(name)}"'
        letter = f"<mi>{escape(self.base)}</mi>"
        if self.hat:
            letter = f'<mover accent="true">{letter}<mo>^</mo></mover>'
        over = "<mo>′</mo>" if self.prime else ""
        under = _index(self.below) if self.below else ""
        if over and under:
            return f"<msubsup{mark}>{letter}{under}{over}</msubsup>"
        if under:
            return f"<msub{mark}>{letter}{under}</msub>"
        if over:
            return f"<msup{mark}>{letter}{over}</msup>"
        return letter.replace("<mi>", f"<mi{mark}>", 1)


_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _index(below: str) -> str:
    if below.isdigit():
        return f"<mn>{below}</mn>"
    if len(below) == 3 and below[1] in "+-":
        sign = below[1].replace("-", "−")
        return f"<mrow><mi>{below[0]}</mi><mo>{sign}</mo><mn>{below[2]}</mn></mrow>"
    return f"<mi>{escape(below)}</mi>"


def _state(letter: str, torch: str, stem: str) -> dict[str, Symbol]:
    """An entry of the state: as it was before the step (given) and as the step leaves it (computed)."""
    return {
        f"{stem}_prev": Symbol(letter, "t-1", torch=torch, kind="state"),
        stem: Symbol(letter, "t", kind="state"),
    }


def _hyperparameter(letter: str, torch: str, below: str = "") -> Symbol:
    return Symbol(letter, below, torch=torch, kind="hyperparameter")


# Names in formulas -> how they are written. What a name means in words is `symbol.<name>` in `teaching.words`.
SYMBOLS: dict[str, Symbol] = {
    "g": Symbol("g", "t", torch="g", kind="gradient"),
    "g_used": Symbol("g", "t", prime=True, kind="gradient"),
    "w_prev": Symbol("w", "t-1", torch="w", kind="weight"),
    "w_decayed": Symbol("w", "t-1", prime=True, kind="weight"),
    "w": Symbol("w", "t", kind="weight"),
    "n": Symbol("n", torch="step", kind="count"),
    "t": Symbol("t", kind="count"),
    "first": Symbol("first", torch="first", kind="count"),
    "lr": _hyperparameter("lr", "lr"),
    "weight_decay": _hyperparameter("λ", "weight_decay"),
    "momentum": _hyperparameter("μ", "momentum"),
    "dampening": _hyperparameter("τ", "dampening"),
    "beta1": _hyperparameter("β", "beta1", "1"),
    "beta2": _hyperparameter("β", "beta2", "2"),
    "eps": _hyperparameter("ε", "eps"),
    **_state("b", "momentum_buffer", "b"),
    "u": Symbol("u", "t"),
    "o": Symbol("O", "t"),
    "rows": Symbol("A", torch="rows", kind="count"),
    "columns": Symbol("B", torch="columns", kind="count"),
    "ns_steps": _hyperparameter("k", "ns_steps"),
    "lr_matrix": Symbol("lr", prime=True),
    **_state("m", "exp_avg", "m"),
    **_state("v", "exp_avg_sq", "v"),
    "v_max_prev": Symbol("v", "max,t-1", torch="max_exp_avg_sq", kind="state"),
    "v_max": Symbol("v", "max,t", kind="state"),
    **_state("u", "exp_inf", "inf"),
    "momentum_decay": _hyperparameter("ψ", "momentum_decay"),
    "mu": Symbol("μ", "t"),
    "mu_next": Symbol("μ", "t+1"),
    "product_prev": Symbol("Π", "t-1", torch="mu_product", kind="count"),
    "product": Symbol("Π", "t", kind="count"),
    "rho_inf": Symbol("ρ", "∞"),
    "rho_t": Symbol("ρ", "t"),
    "r": Symbol("r", "t"),
    "l": Symbol("l", "t"),
    "c": Symbol("c", "t"),
    "alpha": _hyperparameter("α", "alpha"),
    **_state("s", "square_avg", "s"),
    **_state("a", "grad_avg", "a"),
    "lr_decay": _hyperparameter("γ", "lr_decay"),
    "lr_t": Symbol("lr", "t"),
    **_state("G", "sum", "total"),
    "rho": _hyperparameter("ρ", "rho"),
    "delta": Symbol("Δ", "t"),
    **_state("D", "acc_delta", "d"),
    "m_hat": Symbol("m", "t", hat=True),
    "v_hat": Symbol("v", "t", hat=True),
}
