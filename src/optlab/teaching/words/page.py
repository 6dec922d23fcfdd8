"""The words of trace.html alone."""

from optlab.teaching.words.text import Text

WORDS: dict[str, Text] = {
    "page.title": Text(en="{optimizer}: the step, taken apart", zh="{optimizer}：逐行拆解一次更新"),
}
