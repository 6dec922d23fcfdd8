"""Texts of the page in one language, with what a script needs to show them in the other."""

import json
from typing import Any

from markupsafe import Markup

from optlab.rules.english import Template
from optlab.teaching.words import LANGUAGES, WORDS, say

# What the page's script says by itself.
SCRIPTED = (
    "page.title",
    "page.theme.auto",
    "page.theme.light",
    "page.theme.dark",
    "page.all",
    "page.one",
)


class Bilingual:
    """Remembers which words a page has used, as it carries these alone in both languages."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self.used = set(SCRIPTED)

    def text(self, key: str, **fields: Any) -> Markup:
        """A text as an element that the script can say in the other language."""
        self.used.add(key)
        filled = Markup(' data-f="{}"').format(json.dumps(fields, ensure_ascii=False)) if fields else ""
        return Markup('<span data-t="{}"{}>{}</span>').format(key, filled, say(key, self.lang, **fields))

    def attributes(self, **keys: str) -> Markup:
        """Attributes of an element, `aria_label="page.code"`, that the script can say in the other language."""
        self.used.update(keys.values())
        named = {name.replace("_", "-"): key for name, key in keys.items()}
        said = Markup(" ").join(Markup('{}="{}"').format(name, say(key, self.lang)) for name, key in named.items())
        return said + Markup(' data-a="{}"').format(json.dumps(named))

    def words(self) -> dict[str, dict[str, Template]]:
        """What was used so far, in both languages: `{"page.loss": {"en": "Loss", "zh": "损失"}}`."""
        return {key: {lang: WORDS[key].template(lang) for lang in LANGUAGES} for key in sorted(self.used)}
