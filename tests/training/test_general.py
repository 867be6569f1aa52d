"""What stands in for an entry where a prompt is easily mistaken for one of another."""

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from promptopt_training.data import composed
from promptopt_training.golden import general
from promptopt_training.golden.compose import compose
from promptopt_training.golden.general import ANY, Mistake, general_entries, mistakable, stand_in, stand_ins
from promptopt_training.golden.knowledge import KnowledgeError, entries
from promptopt_training.golden.layouts import golden
from promptopt_training.inputs import example_inputs

RUN = Path(__file__).parents[2] / "training" / "runs" / "mistakable.py"


@pytest.fixture
def run() -> ModuleType:
    """The script that finds the mistakable prompts."""
    spec = spec_from_file_location("mistakable_run", RUN)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The content of general.yaml, for a test to change; what was read of it before is forgotten."""
    content = {"general.yaml": general.read_yaml("general.yaml")}
    monkeypatch.setattr(general, "read_yaml", lambda name: content[name])
    for cached in (general_entries, stand_ins):
        cached.cache_clear()
    yield content
    for cached in (general_entries, stand_ins):
        cached.cache_clear()


def test_every_entry_has_a_stand_in_and_one_named_in_full_goes_before_its_file() -> None:
    assert set(stand_ins()) == set(entries())
    assert {*stand_ins().values(), ANY} == set(general_entries())
    assert stand_ins()["life/recipe"] == "general/advice"
    assert stand_ins()["life/trivia"] == "general/question"
    assert stand_in("code/function", Mistake.KIND) is general_entries()["general/code"]
    assert stand_in("code/function", Mistake.FAMILY) is general_entries()[ANY]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instead_of": ["life/recipe", "life/no_such_thing"]}, "life/no_such_thing"),
        ({"instead_of": ["writing/*"]}, "writing/.* is named twice"),
        ({"instead_of": []}, "no general entry for: .*code/function"),
    ],
)
def test_a_stand_in_that_is_missing_unknown_or_doubled_is_an_error(files: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    first, *others = files["general.yaml"]
    files["general.yaml"] = [{**first, **changes}, *others]
    with pytest.raises(KnowledgeError, match=reason):
        stand_ins()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"personas": [{"says": "x", "text": "a tester"}]}, "general/code: persona, context and goal depend on nothing but the field"),
        ({"personas": [{"text": "{expert} who codes"}]}, "general/code: the last persona, context and goal have no slot"),
        ({"goals": ["No full stop"]}, "general/code: no full stop"),
        ({"goals": [entries()["code/function"].goals[-1].text]}, "general/code: the line stands twice"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named(files: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    first, *others = files["general.yaml"]
    files["general.yaml"] = [{**first, **changes}, *others]
    with pytest.raises(KnowledgeError, match=reason):
        general_entries()


def test_what_is_marked_as_mistakable_are_examples_a_third_of_them_or_so() -> None:
    known = entries()
    assert {name: [*marked] for name, marked in mistakable().items() if not {*marked} <= {*known[name].examples}} == {}
    assert 0.3 < sum(map(len, mistakable().values())) / sum(len(entry.examples) for entry in known.values()) < 0.45
    marked = {item.text: item.mistakable for item in example_inputs({"code/port": known["code/port"]}) if item.mistakable}
    assert marked == mistakable()["code/port"]
    assert {*marked.values()} == {Mistake.KIND, Mistake.FAMILY}


def test_a_mistakable_prompt_gets_the_lines_of_the_stand_in() -> None:
    entry = entries()["code/port"]
    prompt = "dialling code for Iceland"
    for mistake, name in ((Mistake.NONE, "code/port"), (Mistake.KIND, "general/code"), (Mistake.FAMILY, ANY)):
        pair = composed(prompt, entry, "golden", mistakable=mistake)
        assert (pair.entry, pair.rewrite) == (name, golden(compose(prompt, {**entries(), **general_entries()}[name])))


def test_whoever_knows_the_subject_speaks_even_where_the_kind_of_task_is_doubtful() -> None:
    pair = composed("rings of saturn", entries()["study_work/explain"], "golden", subject="saturn", mistakable=Mistake.FAMILY)
    assert (pair.entry, pair.rewrite.splitlines()[0]) == (ANY, "Act as an astronomer with plenty of practical experience.")
    assert any(line.text == "{expert} with plenty of practical experience" for line in entries()["study_work/list_ideas"].personas)


def test_a_prompt_among_those_of_another_kind_is_mistakable(run: ModuleType) -> None:
    rng = np.random.default_rng(1)
    kinds, families = np.repeat([0, 1, 2], 60), np.array([0, 0, 1])
    vectors = np.eye(4)[kinds] + rng.normal(0, 0.05, (180, 4))
    vectors[7], vectors[8] = np.eye(4)[1], np.eye(4)[2]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    marks = run.mistakes(vectors, kinds, families)
    assert {number: mark for number, mark in enumerate(marks) if mark} == {7: Mistake.KIND, 8: Mistake.FAMILY}


def test_marks_are_written_and_taken_away(run: ModuleType, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"id": "a", "entry": "x", "mistakable": "kind"}\n{"id": "b", "entry": "é"}\n', encoding="utf-8")
    run.write_marks(labels, {"b": "family"})
    assert labels.read_text(encoding="utf-8") == '{"id": "a", "entry": "x"}\n{"id": "b", "entry": "é", "mistakable": "family"}\n'
