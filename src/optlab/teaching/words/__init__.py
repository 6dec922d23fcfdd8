"""The words of the step taken apart, in English and Chinese: one table for the terminal, the page and the formulas.

A key names what is said; `say(key, lang, ...)` says it. The table is the union of one `WORDS` a file. A new file is
named in `TABLES`; tests/teaching/test_words.py holds that both languages are complete and each key is used.

The terms: 梯度 gradient, 动量 momentum, 学习率 learning rate, 偏差修正 bias correction, 权重衰减 weight decay,
批次 batch, 损失 loss, 权重 weight, 步 step, 样本 sample.
"""

from optlab.teaching.words import beside, departures, formula_view, page, sides, symbols, trace
from optlab.teaching.words.text import LANGUAGES, Lang, Text, union

__all__ = ["LANGUAGES", "TABLES", "WORDS", "Lang", "Text", "say"]

TABLES = (
    page.WORDS,
    beside.WORDS,
    formula_view.WORDS,
    symbols.WORDS,
    trace.WORDS,
    sides.WORDS,
    departures.WORDS,
)
WORDS = union(TABLES)


def say(key: str, lang: str = "en", **fields: object) -> str:
    """The text of a key in a language, with its fields filled in; where it has a singular, `n` decides.

    Raises:
        KeyError: there is no such key or language, or a field that the text names is not given.
        TypeError: a field is given that the text does not name.
    """
    return WORDS[key].say(lang, **fields)
