"""Which name was meant by one that was mistyped. Light at import."""

import difflib
from collections.abc import Iterable

NEAR = 0.6  # of 1.0, as difflib measures how much two words have in common


def nearest(word: str, known: Iterable[str], n: int = 1, cutoff: float = NEAR) -> list[str]:
    """The names that are like a word, those with the fewest slips of the hand first; at most `n`.

    A name is like a word that has most letters in common with it (`difflib.get_close_matches`), or has two of them
    swapped.
    """
    names = list(dict.fromkeys(known))
    near = difflib.get_close_matches(word, names, n=max(1, len(names)), cutoff=cutoff)
    near += [name for name in names if name not in near and is_swapped(word, name)]
    return sorted(near, key=lambda name: slips(word, name))[:n]


def is_swapped(word: str, other: str) -> bool:
    """Whether two neighbouring letters stand the other way round, and nothing else differs."""
    return sorted(word) == sorted(other) and slips(word, other) == 1


def slips(word: str, other: str) -> int:
    """Letters that are missing, too many, another or swapped with their neighbour: `adma` is one from `adam`.

    The distance of Damerau (1964) and Levenshtein (1966), where no letter is touched twice.
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(word, start=1):
        row = [i]
        for j, its in enumerate(other, start=1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != its)))
            if i > 1 and j > 1 and (letter, word[i - 2]) == (other[j - 2], its):
                row[j] = min(row[j], before[j - 2] + 1)
        before, last = last, row
    return last[-1]
