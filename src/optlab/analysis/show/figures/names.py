"""Names that users gave, in figures: short enough to stand beside an axis, and never taken for markup."""

import html
import textwrap
from collections.abc import Set

LONGEST = 26  # characters of a name in a figure; tables and the verdict have the whole
IN_LEGEND = 40  # there is more room: `momentum, DeepOBS 2019, 10 seeds`
MINUS = " − "  # between the names of a pair


def brief(text: str, longest: int = LONGEST) -> str:
    """A name, or a pair of them, without the middle where it is long: names of variants differ at their ends."""
    return MINUS.join(cut(name, longest) for name in text.split(MINUS))


def cut(name: str, longest: int) -> str:
    if len(name) <= longest:
        return name
    head = longest // 2
    return f"{name[:head].rstrip()}…{name[head + 1 - longest :].lstrip()}"


def in_lines(name: str) -> str:
    """A name for below an axis, where names stand side by side: short, in lines of half of that."""
    return "\n".join(textwrap.wrap(brief(name), LONGEST // 2)) if len(name) > LONGEST // 2 else name


def for_plotly(text: str) -> str:
    """A text as Plotly shows it: `<b>` and `&amp;` as they are, which it would take for markup; lines kept apart."""
    return html.escape(text, quote=False).replace("\n", "<br>")


def without_glyphs(text: str, known: Set[int]) -> str:
    """The characters of a text that are not among the known ones, each once, in the order of their numbers."""
    return "".join(sorted({char for char in text if char.isprintable() and ord(char) not in known}))
