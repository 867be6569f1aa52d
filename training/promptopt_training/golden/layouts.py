"""The forms a structured prompt can take. `golden` is the product's own; the others teach the base that content and form are apart."""

from collections.abc import Callable, Mapping, Sequence

from promptopt_training.golden.compose import Parts

Layout = Callable[[Parts], str]


def _bullets(lines: Sequence[str], mark: str = "-") -> str:
    return "\n".join(f"{mark} {line}" for line in lines)


def _numbered(lines: Sequence[str], mark: str = ".") -> str:
    return "\n".join(f"{number}{mark} {line}" for number, line in enumerate(lines, start=1))


def golden(parts: Parts) -> str:
    """Six sections: persona, Context, Task, Constraints, Steps, Goal."""
    return (
        f"Act as {parts.persona}.\n\nContext: {parts.context}\n\nTask: {parts.task}\n\n"
        f"Constraints:\n{_bullets(parts.constraints)}\n\nSteps:\n{_numbered(parts.steps)}\n\nGoal: {parts.goal}"
    )


def markdown(parts: Parts) -> str:
    """Markdown headings."""
    return (
        f"# Role\nYou are {parts.persona}.\n\n## Context\n{parts.context}\n\n## Task\n{parts.task}\n\n"
        f"## Requirements\n{_bullets(parts.constraints)}\n\n## Approach\n{_numbered(parts.steps)}\n\n## Outcome\n{parts.goal}"
    )


def xml(parts: Parts) -> str:
    """XML tags, one a section."""
    return (
        f"<role>You are {parts.persona}.</role>\n<context>{parts.context}</context>\n<task>\n{parts.task}\n</task>\n"
        f"<constraints>\n{_bullets(parts.constraints)}\n</constraints>\n<steps>\n{_numbered(parts.steps)}\n</steps>\n<goal>{parts.goal}</goal>"
    )


def concise(parts: Parts) -> str:
    """The task, the most needed requirements and the goal, in few words."""
    return f"{parts.task}\n\nRequirements:\n{_bullets(parts.constraints[:3])}\n\nDone when: {parts.goal}"


def task_first(parts: Parts) -> str:
    """The task before everything else."""
    return (
        f"Task: {parts.task}\nRole: {parts.persona}\nWhy: {parts.context}\n\n"
        f"Rules:\n{_bullets(parts.constraints, '*')}\n\nPlan:\n{_numbered(parts.steps, ')')}\n\nResult: {parts.goal}"
    )


def prose(parts: Parts) -> str:
    """Paragraphs without lists."""
    return (
        f"You are {parts.persona}. {parts.context}\n\nYour task:\n{parts.task}\n\n"
        f"Keep to these rules. {' '.join(parts.constraints)}\n\nWork in this order. {' '.join(parts.steps)}\n\nAim: {parts.goal}"
    )


def checklist(parts: Parts) -> str:
    """Check boxes."""
    return (
        f"**Task:** {parts.task}\n**Role:** {parts.persona}\n\n**Steps**\n{_bullets(parts.steps, '- [ ]')}\n\n"
        f"**Check**\n{_bullets(parts.constraints, '- [ ]')}\n\n**Goal:** {parts.goal}"
    )


def capitals(parts: Parts) -> str:
    """Headings in capitals."""
    return (
        f"ROLE\n{parts.persona}\n\nBACKGROUND\n{parts.context}\n\nTASK\n{parts.task}\n\n"
        f"CONSTRAINTS\n{_numbered(parts.constraints)}\n\nSTEPS\n{_numbered(parts.steps)}\n\nGOAL\n{parts.goal}"
    )


def questions(parts: Parts) -> str:
    """Headings that ask what the section answers."""
    return (
        f"What I want: {parts.task}\nWho should do it: {parts.persona}\nWhy: {parts.context}\n\n"
        f"What to respect:\n{_bullets(parts.constraints)}\n\nHow to go about it:\n{_numbered(parts.steps)}\n\n"
        f"How to know it is done: {parts.goal}"
    )


def bold(parts: Parts) -> str:
    """Bold headings on lines of their own."""
    return (
        f"**Persona**\n{parts.persona}\n\n**Situation**\n{parts.context}\n\n**Request**\n{parts.task}\n\n"
        f"**Rules**\n{_bullets(parts.constraints)}\n\n**Procedure**\n{_numbered(parts.steps)}\n\n**Success**\n{parts.goal}"
    )


def brackets(parts: Parts) -> str:
    """Section names in square brackets."""
    return (
        f"[ROLE] {parts.persona}\n[GOAL] {parts.goal}\n[TASK] {parts.task}\n[CONTEXT] {parts.context}\n"
        f"[STEPS]\n{_numbered(parts.steps)}\n[LIMITS]\n{_bullets(parts.constraints)}"
    )


def task_last(parts: Parts) -> str:
    """Everything that prepares the task, then the task."""
    return (
        f"Role: {parts.persona}\nBackground: {parts.context}\n\nRequirements:\n{_bullets(parts.constraints, '+')}\n\n"
        f"Method:\n{_numbered(parts.steps)}\n\nExpected result: {parts.goal}\n\nNow do this:\n{parts.task}"
    )


LAYOUTS: Mapping[str, Layout] = {
    "golden": golden,
    "markdown": markdown,
    "xml": xml,
    "concise": concise,
    "task_first": task_first,
    "prose": prose,
    "checklist": checklist,
    "capitals": capitals,
    "questions": questions,
    "bold": bold,
    "brackets": brackets,
    "task_last": task_last,
}
