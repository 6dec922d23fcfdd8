"""Warnings, cautions and problems as data: a kind and a subject for programs, and a text for people.

The words stand in one table a language (`optlab.rules.english`), by kind; no code reads them back. Another language is
another module of the same shape.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Self

from optlab.rules import english as language

__all__ = ["Message", "fields_of", "fill", "language", "merged", "message", "phrase"]


@dataclass(frozen=True)
class Message:
    """Something to be said: `kind` is a key of the language's table, `subject` whom it is about ("" for all).

    `fields` is what the text was filled with, by name: what a program reads, and what `merged` puts together.
    """

    kind: str
    subject: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def read(cls, content: Any) -> Self:
        """A message from a JSON file; a plain text, as files of before hold it, is one of kind "said"."""
        if not isinstance(content, Mapping):
            return cls("said", "", str(content))
        fields = content.get("fields")  # files of before have none
        kind, subject, text = (str(content.get(key, "")) for key in ("kind", "subject", "text"))
        return cls(kind, subject, text, dict(fields) if isinstance(fields, Mapping) else {})


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
    plain = {name: value if isinstance(value, (str, int, float)) else str(value) for name, value in fields.items()}
    return Message(kind, subject, fill(language.MESSAGES[kind], {"subject": subject, **fields}), plain)


def merged(messages: Iterable[Message]) -> list[Message]:
    """The same, with those in one that say the same of several subjects, where the first of them stood.

    Its subject is empty. What a kind says of each of its subjects, and what of all, stands in the language's
    `TOGETHER`; only those that agree in what is said of all are one. What has no place there is left as it is.
    """
    groups: dict[object, list[Message]] = {}
    for each in messages:
        groups.setdefault(_said_of_all(each), []).append(each)
    return [group[0] if len(group) == 1 else _together(group) for group in groups.values()]


def _said_of_all(each: Message) -> object:
    """What messages that become one have in common; the message itself for those that never do."""
    if each.kind not in language.TOGETHER:
        return each
    alone, together = language.TOGETHER[each.kind]
    if not each.subject or not fields_of(alone) - {"subject"} <= set(each.fields):
        return each
    return each.kind, *(repr(each.fields.get(name)) for name in sorted(fields_of(together) - {"each"}))


def _together(group: list[Message]) -> Message:
    kind = group[0].kind
    alone, template = language.TOGETHER[kind]
    each = language.enumerated(
        fill(alone, {"subject": m.subject, **{name: m.fields[name] for name in fields_of(alone) - {"subject"}}})
        for m in group
    )
    common = {name: group[0].fields[name] for name in fields_of(template) - {"each"}}
    return Message(kind, "", fill(template, {"each": each, **common}), {"subjects": [m.subject for m in group]})


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
