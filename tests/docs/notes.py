"""The notes in two languages, taken apart: their sections, what they say to type, what they show of it.

A block of `console` holds commands behind `$` and lines of what they print; `...` stands for what is left out. A block
of `pycon` is Python as at its prompt. A number in `code` within the text is one that a block of its section shows.
"""

import doctest
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from optlab.sweep.conclude import drawing
from tests.commandline import ROOT, Result, command

PAGES = {"en": ROOT / "docs" / "notes.md", "zh": ROOT / "docs" / "notes.zh.md"}
QUIETLY = ("logger=none", "trainer=cpu")
BLOCK = re.compile(r"^```(console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[−-]?\d[\d,_]*(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Typed:
    """A command and the lines that the page shows of what it prints."""

    words: tuple[str, ...]
    shown: str

    def run(self, *, figures: bool = False) -> Result:
        with drawing(figures):
            return command(*self.words, *QUIETLY)


@dataclass(frozen=True)
class Section:
    number: str
    title: str
    text: str

    @property
    def blocks(self) -> list[tuple[str, str]]:
        return BLOCK.findall(self.text)

    @property
    def prose(self) -> str:
        return BLOCK.sub("", self.text)

    @property
    def typed(self) -> Iterator[Typed]:
        for kind, block in self.blocks:
            if kind != "console":
                continue
            for piece in re.split(r"(?m)^\$ ", block.replace("\\\n", " "))[1:]:
                line, _, shown = piece.partition("\n")
                words = shlex.split(line, comments=True)
                assert words[:2] == ["python", "train.py"], line
                yield Typed(tuple(words[2:]), shown)

    @property
    def numbers(self) -> list[str]:
        """The numbers in `code` within the text."""
        codes = re.findall(r"`([^`\n]+)`", self.prose)
        return [code for code in codes if NUMBER.fullmatch(code)]

    @property
    def unmarked(self) -> list[str]:
        """Numbers with a decimal point that are no code, and so would be held by nothing."""
        bare = re.sub(r"`[^`\n]+`|\]\([^)]*\)|\$[^$\n]+\$", " ", self.prose)
        return re.findall(r"(?<![\w.])\d+\.\d+", bare)


def sections(language: str) -> dict[str, Section]:
    """The sections whose headings begin with a number, by that number."""
    parts = re.split(r"(?m)^## ", PAGES[language].read_text("utf-8"))[1:]
    found = {}
    for part in parts:
        heading, _, text = part.partition("\n")
        if numbered := re.match(r"(\d+)\. (.*)", heading):
            found[numbered[1]] = Section(numbered[1], numbered[2], text)
    return found


def agree(shown: str, printed: str) -> bool:
    """Whether two words are the same, but for the last bits of numbers.

    Numbers with a point may differ by a hundredth of themselves or by one in the last digit shown; others not at all.
    """
    if NUMBER.sub("#", shown) != NUMBER.sub("#", printed):
        return False
    return all(map(close, NUMBER.findall(shown), NUMBER.findall(printed)))


def close(shown: str, printed: str) -> bool:
    if shown == printed or "." not in shown:
        return shown == printed
    a, b = (float(each.replace(",", "").replace("_", "").replace("−", "-")) for each in (shown, printed))
    mantissa, _, power = shown.partition("e")
    last = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    return abs(a - b) <= max(1.01 * last, 0.01 * abs(a))


def missing(shown: str, printed: str) -> str | None:
    """The first piece between `...` that is not printed, word by word and in this order; None where all are."""
    words, place = printed.split(), 0
    for piece in re.split(r"(?:^|\s)\.\.\.(?=\s|$)", shown):
        wanted = piece.split()
        while not all(map(agree, wanted, words[place : place + len(wanted)])) or place + len(wanted) > len(words):
            place += 1
            if place + len(wanted) > len(words):
                return " ".join(wanted)
        place += len(wanted)
    return None


def check(section: Section) -> list[Result]:
    """Do what the section says where we stand, and compare; what its commands printed."""
    check_python(section)
    results = []
    for typed in section.typed:
        result = typed.run()
        assert result.code == 0 or "optlab:" in typed.shown, result.err
        lost = missing(typed.shown, result.out + result.err)
        assert lost is None, f"{shlex.join(typed.words)}\nshown and not printed: {lost}\n\n{result.out}{result.err}"
        results.append(result)
    return results


def check_python(section: Section) -> None:
    """Blocks of Python, one after the other at a prompt at which section 1 has imported what it does."""
    code = "".join(block for kind, block in section.blocks if kind == "pycon")
    test = doctest.DocTestParser().get_doctest(
        code, {"torch": torch, "nn": torch.nn, "tensor": torch.tensor}, section.title, None, 0
    )
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    outcome = doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=said.append)
    assert not outcome.failed, "".join(said)


def runs_of(sweep: str) -> Path:
    return Path("outputs/sweeps") / sweep
