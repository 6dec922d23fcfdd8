"""How the page writes numbers: few digits to read, all of them in a title."""

import math

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
DIGITS = 4
SMALLEST, LARGEST = 1e-3, 1e5  # beyond these with a power of ten


def short(value: float | None, digits: int = DIGITS) -> str:
    """A number to read, as page.js writes it too: `0.0123`, `1.234×10⁻⁵`, `−3`; a dash where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and not SMALLEST <= abs(value) < LARGEST:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        factor = "" if mantissa in ("1", "-1") else f"{mantissa}×"
        sign = "−" if mantissa == "-1" else ""
        return f"{sign}{factor}10{str(int(power)).translate(SUPERSCRIPT)}".replace("-", "−")
    return plain(f"{value:.{digits}g}").replace("-", "−")


def plain(text: str) -> str:
    """Python's `g` writes 12345.6 with four digits as 1.235e+04: the same number without a power."""
    return f"{float(text):.0f}" if "e" in text else text


def whole(value: float | None) -> str:
    """A number with every digit that tells it from its neighbours."""
    return "–" if value is None else repr(value)


def degrees(value: float | None) -> str:
    """An angle to a tenth of a degree."""
    return "–" if value is None else f"{abs(value):.1f}"
