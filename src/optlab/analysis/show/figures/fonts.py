"""Words in scripts that Matplotlib's own font does not have: in a font that has them, where one is installed."""

from functools import cache

from matplotlib.figure import Figure as Picture
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text as Words

from optlab.analysis.show.figures.names import without_glyphs

OWN_FONT = "DejaVu Sans"  # comes with Matplotlib
OTHER_SCRIPTS = (  # where they are installed
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
    "Noto Sans",
)
BOXES = "Last Resort High-Efficiency"  # Matplotlib's too, from 3.11 on: a box for any letter that no other font has


def in_fonts_that_have_it(picture: Picture) -> str:
    """Draw words in other scripts in fonts that have them, as far as there are any; give the letters that none has."""
    lacking = ""
    for text in picture.findobj(Words):
        if not isinstance(text, Words) or not without_glyphs(text.get_text(), letters(OWN_FONT)):
            continue
        installed = {font.name for font in fontManager.ttflist}
        families = [family for family in OTHER_SCRIPTS if family in installed]
        lacking += without_glyphs(text.get_text(), set().union(*map(letters, (OWN_FONT, *families))))
        boxes = [BOXES] if BOXES in installed else []
        text.set(family=[OWN_FONT, *families, *boxes, "sans-serif"], weight="normal")  # few of these have a bold face
    return lacking


@cache
def letters(family: str) -> frozenset[int]:
    """The numbers of the characters that a font has."""
    return frozenset(get_font(findfont(FontProperties(family=[family]))).get_charmap())
