"""Warnings, cautions and problems as data: a kind and a subject for programs, and a text for people.

The words stand in one table a language (`optlab.rules.english`), by kind; no code reads them back. Another language is
another module of the same shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Self

from optlab.rules import english as language

__all__ = ["Message", "fields_of", "fill", "language", "message", "phrase"]


@dataclass(frozen=True)
class Message:
    """Something to be said: `kind` is a key of the language's table, `subject` whom it is about ("" for all)."""

    kind: str
    subject: str
    text: str

    def __str__(self) -> str:
        return self.text

    @classmethod
    def read(cls, content: Any) -> Self:
        """A message from a JSON file; a plain text, as files of before hold it, is one of kind "said"."""
        if not isinstance(content, Mapping):
            return cls("said", "", str(content))
        return cls(*(str(content.get(key, "")) for key in ("kind", "subject", "text")))


def message(kind: str, subject: str = "", **fields: object) -> Message:
    """The message of a kind, in words.

    Args:
        kind: a key of the language's `MESSAGES`.
        subject: whom it is about: a contender or an arm by name, a folder; "" for the whole comparison.
        fields: what its template names; `subject` is filled in. Where it has a singular, `n` decides.

    Raises:
        KeyError: there is no such kind, or it names a field that is not given.
        TypeError: a field is given that the template does not name.
    """
    return Message(kind, subject, fill(language.MESSAGES[kind], {"subject": subject, **fields}))


def phrase(key: str, **fields: object) -> str:
    """A part of a sentence, from the language's `PHRASES`; see `message`."""
    return fill(language.PHRASES[key], fields)


def fill(template: language.Template, fields: Mapping[str, object]) -> str:
    chosen = template if isinstance(template, str) else template[0 if fields["n"] == 1 else 1]
    if unused := set(fields) - fields_of(template) - {"subject"}:
        raise TypeError(f"no field {', '.join(sorted(unused))} in {chosen!r}")
    return chosen.format_map(fields)


def fields_of(template: language.Template) -> set[str]:
    """The names of the fields of a template; with a singular and a plural, `n` among them."""
    variants = [template] if isinstance(template, str) else [*template, "{n}"]
    return {name for text in variants for _, name, _, _ in Formatter().parse(text) if name}
