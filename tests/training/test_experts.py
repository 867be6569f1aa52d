"""The expert of a subject's field leads the personas of tasks that every field has."""

import re

import pytest

from promptopt_training.golden import experts as module
from promptopt_training.golden.compose import compose
from promptopt_training.golden.experts import expert_on, fields
from promptopt_training.golden.knowledge import KnowledgeError, entries, read_yaml


@pytest.mark.parametrize(
    ("subject", "expert"), [("tea", "a sommelier"), ("the Moon landing", ""), ("nothing that anybody ever listed", ""), ("", "")]
)
def test_the_expert_on_a_subject_is_that_of_its_field(subject: str, expert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_field_of", lambda: {"tea": "drinks"})
    assert expert_on(subject) == expert


def test_capitals_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_field_of", lambda: {"black holes": "astronomy"})
    assert expert_on("Black Holes") == "an astronomer"


def test_subjects_of_an_unknown_field_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_yaml", lambda name: {"kites": ["box kites"]})
    with pytest.raises(KnowledgeError, match=r"^subjects of an unknown field: kites$"):
        module._field_of.__wrapped__()


def test_every_expert_has_an_article_and_every_field_subjects() -> None:
    assert [expert for expert in fields().values() if not re.match(r"an? [a-z]", expert)] == []
    assert len(set(fields().values())) == len(fields())
    subjects = read_yaml("subjects.yaml")
    assert set(subjects) == set(fields())
    listed = [str(subject).casefold() for items in subjects.values() for subject in items]
    assert len(set(listed)) == len(listed) > 10_000


def test_one_kind_of_task_gets_the_expert_of_its_subject_and_another_where_none_is_known() -> None:
    entry = entries()["study_work/compare"]
    known = next(subject for subject in entry.subjects.values() if expert_on(subject))
    assert compose("compare them", entry, known).persona == f"{expert_on(known)} who weighs all sides by the same criteria"
    assert "expert" not in compose("compare them", entry).persona


def test_tasks_of_every_field_have_a_persona_for_its_expert() -> None:
    first = {name: next(line.text for line in entry.personas if not line.conditional) for name, entry in entries().items()}
    leading = {name for name, persona in first.items() if persona.startswith("{expert} ")}
    assert {"study_work/explain", "study_work/fact", "writing/essay", "engineering/tech_explain"} <= leading
    assert len(leading) >= 30
