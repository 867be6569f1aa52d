"""Who knows most about a subject: fields of knowledge, and the subjects that belong to each."""

from collections.abc import Mapping
from functools import cache

from promptopt_training.golden.knowledge import KnowledgeError, read_yaml


@cache
def fields() -> Mapping[str, str]:
    """How the expert of a field is called, with its article, by the name of the field."""
    return {name: str(expert) for name, expert in read_yaml("fields.yaml").items()}


@cache
def _field_of() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, subjects in read_yaml("subjects.yaml").items():
        if name not in fields():
            raise KnowledgeError(f"subjects of an unknown field: {name}")
        found.update({str(subject).casefold(): name for subject in subjects})
    return found


def expert_on(subject: str) -> str:
    """How the expert of the field that `subject` belongs to is called ("an astronomer"), "" where no field is known.

    Raises KnowledgeError for subjects of a field that fields.yaml does not have.
    """
    field = _field_of().get(subject.casefold())
    return fields()[field] if field else ""
