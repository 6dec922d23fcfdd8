"""Numbers as people read them, in a terminal and on the page."""

import math


def digits(value: float) -> str:
    """Exactly where that is short, else with 6 significant digits: `0.9`, `1e-8`, `-0.0123457`."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    exact = _short(repr(float(value)))
    return exact if len(exact.lstrip("-")) <= 8 else _short(f"{value:.6g}")


def _short(text: str) -> str:
    mantissa, e, exponent = text.partition("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(exponent)}" if e else mantissa


def digits_mathml(value: float) -> str:
    """The same as MathML, powers of ten written out."""
    text = digits(value)
    mantissa, e, exponent = text.lstrip("-").partition("e")
    number = f"<mi>{mantissa}</mi>" if mantissa == "∞" else f"<mn>{mantissa}</mn>"
    if e:
        power = f"<mrow><mo>−</mo><mn>{exponent[1:]}</mn></mrow>" if exponent[0] == "-" else f"<mn>{exponent}</mn>"
        ten = f"<msup><mn>10</mn>{power}</msup>"
        number = ten if mantissa == "1" else f"<mrow>{number}<mo>×</mo>{ten}</mrow>"
    return f"<mrow><mo>−</mo>{number}</mrow>" if text.startswith("-") else number
