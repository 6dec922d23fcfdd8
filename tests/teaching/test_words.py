"""The table of words: complete in both languages, each key used, the same fields in both."""

import re
from pathlib import Path

import pytest

from optlab import teaching
from optlab.rules.messages import fields_of
from optlab.teaching.formulas import SYMBOLS
from optlab.teaching.words import LANGUAGES, WORDS, Text, say
from optlab.teaching.words.text import union

ROOM = Path(teaching.__file__).parent
USERS = [path for suffix in ("py", "j2", "js") for path in ROOM.rglob(f"*.{suffix}") if path.parent.name != "words"]
BUILT = re.compile(r"""["'`]([\w.]+\.)(?:["'] ~|\{|\$\{)""")  # f"trace.{key}", "page." ~ key, `page.theme.${key}`
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_are_complete_and_fill_in_the_same_fields(key: str) -> None:
    text = WORDS[key]
    assert fields_of(text.en) == fields_of(text.zh) == text.fields
    for lang in LANGUAGES:
        said = text.say(lang, **dict.fromkeys(text.fields, 3))
        assert said == said.strip() != ""
        assert "{" not in said
    assert not CHINESE.search(text.say("en", **dict.fromkeys(text.fields, 3)))


def test_every_key_is_used() -> None:
    """As a whole, or built of a beginning and names that all stand in the code."""
    text = "\n".join(path.read_text() for path in USERS)
    quoted = {each.strip(".") for each in re.findall(r"""["']([\w.]+)["']""", text)} | {*map(str, SYMBOLS)}
    begun = set(BUILT.findall(text))
    rests = {key: [key.removeprefix(each) for each in begun if key.startswith(each)] for key in WORDS.keys() - quoted}
    assert not {key for key, found in rests.items() if not any({*rest.split(".")} <= quoted for rest in found)}


def test_every_symbol_has_its_name_in_words() -> None:
    assert {key for key in WORDS if key.startswith("symbol.")} == {f"symbol.{name}" for name in SYMBOLS}


def test_what_is_said_is_chosen_by_language_and_number() -> None:
    text = Text(en=("{n} batch", "{n} batches"), zh="{n} 个批次")
    assert [text.say("en", n=1), text.say("en", n=2), text.say("zh", n=2)] == ["1 batch", "2 batches", "2 个批次"]
    with pytest.raises(TypeError, match="no field x"):
        text.say("en", n=1, x=2)
    with pytest.raises(KeyError):
        text.say("fr", n=1)
    with pytest.raises(KeyError):
        say("no such key")


def test_a_key_stands_in_one_table() -> None:
    with pytest.raises(ValueError, match="'a' stands in two tables"):
        union([{"a": Text("a", "甲")}, {"a": Text("b", "乙")}])
