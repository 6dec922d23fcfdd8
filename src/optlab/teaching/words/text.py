"""A text in each language that optlab teaches in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from optlab.rules.english import Template
from optlab.rules.messages import fields_of, fill

Lang = Literal["en", "zh"]
LANGUAGES: tuple[Lang, ...] = ("en", "zh")


@dataclass(frozen=True)
class Text:
    """What is said, in English and in Chinese.

    A template is a text with fields in braces; in English it may be a pair, for one and for many, chosen by the field
    `n`. Chinese nouns have no plural.
    """

    en: Template
    zh: str

    def template(self, lang: str) -> Template:
        if lang not in LANGUAGES:
            raise KeyError(lang)
        return self.en if lang == "en" else self.zh

    def say(self, lang: str = "en", **fields: object) -> str:
        """Fills in the template of a language; see `optlab.teaching.words.say`."""
        return fill(self.template(lang), fields)

    @property
    def fields(self) -> set[str]:
        """The names of the fields, which both languages have."""
        return fields_of(self.en) | fields_of(self.zh)


def union(tables: Iterable[Mapping[str, Text]]) -> dict[str, Text]:
    """All tables as one.

    Raises:
        ValueError: two tables have the same key.
    """
    found: dict[str, Text] = {}
    for table in tables:
        if twice := sorted(found.keys() & table.keys()):
            raise ValueError(f"{twice[0]!r} stands in two tables of words")
        found |= table
    return found
