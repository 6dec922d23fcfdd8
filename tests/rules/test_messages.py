"""What is said is data: a kind and a subject for programs, words for people, which stand in one table."""

import ast
import json
from dataclasses import asdict
from pathlib import Path

import pytest

import optlab
from optlab.rules import english
from optlab.rules.messages import Message, fields_of, merged, message, phrase
from optlab.rules.warnings import EDGE_KINDS

FOLDERS = [Path(optlab.__file__).parent / name for name in ("rules", "sweep", "analysis", "teaching")]
SOURCES = [path for folder in FOLDERS for path in folder.rglob("*.py") if path.name != "english.py"]


def results(node: ast.expr) -> set[str]:
    """The texts that an expression may be: of `"a" if b == "c" else "d"`, a and d."""
    if isinstance(node, ast.IfExp):
        return results(node.body) | results(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def said(name: str) -> set[str]:
    """The kinds that are given to `message` or `phrase`, directly or as a variable of the function around the call."""
    found: set[str] = set()
    for path in SOURCES:
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            nodes = list(ast.walk(function))
            calls = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name]
            kinds = [call.args[0] for call in calls]
            variables = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
            for node in nodes:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    kinds += [node.value] if node.targets[0].id in variables else []
            found |= set().union(*map(results, kinds))
    return found


def test_every_kind_that_is_said_has_words_and_every_word_is_said() -> None:
    passed_on = {*EDGE_KINDS, "validation_above_test", "validation_above_training"}  # chosen in pairs, or by a caller
    assert said("message") == english.MESSAGES.keys() - passed_on
    built = {"smallest", "largest", "near_smallest", "near_largest", "edge_low", "edge_high"}  # of a prefix and a side
    assert said("phrase") == english.PHRASES.keys() - built


@pytest.mark.parametrize("kind", english.MESSAGES)
def test_every_template_is_filled_from_its_fields_and_refuses_others(kind: str) -> None:
    fields: dict[str, object] = dict.fromkeys(fields_of(english.MESSAGES[kind]) - {"subject"}, 3)
    text = str(message(kind, "adam", **fields))
    assert text
    assert "{" not in text
    with pytest.raises(TypeError, match="no field nothing"):
        message(kind, "adam", nothing=1, **fields)
    if fields:
        with pytest.raises(KeyError):
            message(kind, "adam", **dict(list(fields.items())[1:]))


@pytest.mark.parametrize("key", english.PHRASES)
def test_every_phrase_is_filled_from_its_fields(key: str) -> None:
    assert "{" not in phrase(key, **dict.fromkeys(fields_of(english.PHRASES[key]), 3))


def test_singular_and_plural_are_chosen_by_n() -> None:
    one, two = (str(message("failed_runs", n=n)) for n in (1, 2))
    assert one == "1 run failed with an exception and is left out."
    assert two == "2 runs failed with an exception and are left out."


def test_a_message_is_its_text_to_people_and_survives_json() -> None:
    said = message("nothing_chosen", "adam, cosine")
    assert (said.kind, said.subject) == ("nothing_chosen", "adam, cosine")
    assert f"{said}" == "adam, cosine: nothing could be chosen, as every trial has a failed run."
    assert Message.read({"kind": said.kind, "subject": said.subject, "text": said.text}) == said
    assert Message.read("a text of before") == Message("said", "", "a text of before")


def test_what_is_said_of_several_is_one_line_and_what_differs_stays_apart() -> None:
    of = {"n": 2, "seeds": 2, "score": "10.00 %"}
    said = [
        message("diverged", "adam", configuration="lr 1", **of),
        message("failed_runs", n=2),
        message("diverged", "sgd", configuration="lr 10", **of),
        message("diverged", "lbfgs", configuration="lr 1", **of | {"score": "25.00 %"}),
    ]
    together, failed, other = merged(said)
    assert together.text == (
        "Diverged: adam (2 of 2 seeds at lr 1) and sgd (2 of 2 seeds at lr 10); each of these runs counts as 10.00 %."
    )
    assert (together.kind, together.subject, together.fields) == ("diverged", "", {"subjects": ["adam", "sgd"]})
    assert (failed, other) == (said[1], said[3])
    assert merged(said[:1]) == said[:1]


def test_messages_of_a_file_are_merged_too_and_those_of_before_stay_as_they_are() -> None:
    said = [message("failed_trials", name, failed=1, trials=3) for name in ("adam", "sgd")]
    read = [Message.read(json.loads(json.dumps(asdict(each)))) for each in said]
    (one,) = merged(read)
    assert one.text == "Trials with a failed run, which are not in the choice: adam (1 of 3) and sgd (1 of 3)."
    before = [Message(each.kind, each.subject, each.text) for each in said]
    assert merged(before) == before


@pytest.mark.parametrize("kind", english.TOGETHER)
def test_what_is_said_of_several_needs_no_field_that_one_has_not(kind: str) -> None:
    alone, together = english.TOGETHER[kind]
    assert (fields_of(alone) | fields_of(together)) - {"subject", "each"} <= fields_of(english.MESSAGES[kind])
    fields: dict[str, object] = dict.fromkeys(fields_of(english.MESSAGES[kind]) - {"subject"}, 3)
    (one,) = merged([message(kind, "adam", **fields), message(kind, "sgd", **fields)])
    assert "{" not in one.text
    assert one.fields == {"subjects": ["adam", "sgd"]}
