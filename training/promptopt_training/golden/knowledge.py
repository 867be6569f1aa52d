"""The knowledge base of the golden rules: entries read from YAML and checked line by line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

import yaml

MINIMUM = {"examples": 12, "personas": 2, "contexts": 2, "constraints": 12, "steps": 10, "goals": 2}
LISTS = ("personas", "contexts", "constraints", "steps", "goals")
LONGEST = {"contexts": 20, "goals": 20}
"Words of a line; 14 elsewhere."
SLOT = re.compile(r"\{(\w+)\}")
SUBJECT = re.compile(r"\{\*([^{}|]+)\}")


class KnowledgeError(ValueError):
    """An entry breaks a rule of golden/README.md; the message names the file, the entry and the line."""


@dataclass(frozen=True)
class Line:
    """One line of an entry and the condition under which it belongs."""

    text: str
    says: re.Pattern[str] | None = None
    lacks: re.Pattern[str] | None = None

    @property
    def conditional(self) -> bool:
        """Whether the line depends on what the prompt says or lacks."""
        return self.says is not None or self.lacks is not None


@dataclass(frozen=True)
class Entry:
    """What a good prompt for one kind of task may contain.

    subjects: what an example is about, in its own words; an example about nothing in particular has none.
    """

    name: str
    task: str
    examples: tuple[str, ...]
    personas: tuple[Line, ...]
    contexts: tuple[Line, ...]
    constraints: tuple[Line, ...]
    steps: tuple[Line, ...]
    goals: tuple[Line, ...]
    subjects: Mapping[str, str] = field(default_factory=dict)


def parse_yaml(text: str) -> Any:
    """What a YAML text says, read in C where PyYAML has been built with that: ten times as fast. Raises yaml.YAMLError."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def read_yaml(name: str) -> Any:
    """The content of a YAML file that lies beside this module."""
    return parse_yaml(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


@cache
def features() -> Mapping[str, str]:
    """Regular expressions of the named features, by name."""
    return {name: str(pattern) for name, pattern in read_yaml("features.yaml").items()}


def pattern(source: str) -> re.Pattern[str]:
    """The compiled form of a `says` or `lacks` expression.

    Raises KnowledgeError for an unknown feature name or an invalid expression.
    """

    def named(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in features():
            raise KnowledgeError(f"unknown feature ${name}")
        return features()[name]

    expanded = re.sub(r"\$([a-z]+)", named, source)
    try:
        return re.compile(rf"(?<!\w)(?:{expanded})", re.IGNORECASE)
    except re.error as error:
        raise KnowledgeError(f"invalid expression {source!r}: {error}") from error


def parse_line(raw: Any, kind: str) -> Line:
    """A line from its YAML form; `kind` is the list it stands in. Raises KnowledgeError."""
    fields = {"text": raw} if isinstance(raw, str) else raw
    if not isinstance(fields, dict) or not set(fields) <= {"text", "says", "lacks"} or not isinstance(fields.get("text"), str):
        raise KnowledgeError(f"a line is a string or a mapping of text, says and lacks, not {raw!r}")
    says, lacks = fields.get("says"), fields.get("lacks")
    line = Line(fields["text"], pattern(says) if says else None, pattern(lacks) if lacks else None)
    check_text(line, kind)
    return line


def check_text(line: Line, kind: str) -> None:
    """Raises KnowledgeError when the wording of a line breaks a rule of golden/README.md."""
    text = line.text
    slots = set(SLOT.findall(text))
    problems = [
        (not slots <= {"topic", "match", "expert"}, "unknown slot"),
        ("match" in slots and line.says is None, "{match} without says"),
        ("expert" in slots and not text.startswith("{expert} "), "{expert} is how a line begins"),
        (any(text.count(f"{{{slot}}}") > 1 for slot in slots), "a slot twice"),
        (re.search(r"\d|https?:|\n", text) is not None, "a digit, a URL or a line break"),
        (len(text.split()) > LONGEST.get(kind, 14), "too long"),
        (text != text.strip() or "  " in text, "stray white space"),
        (kind == "personas" and not re.match(r"(a|an|the|\{expert\}) ", text), "a persona begins with a, an, the or {expert}"),
        (kind != "personas" and "expert" in slots, "{expert} is for personas"),
        (kind == "personas" and text.endswith("."), "a persona has no full stop"),
        (kind != "personas" and not text.endswith("."), "no full stop"),
        (kind in ("constraints", "steps") and text.startswith(("-", "*", "{match}")), "starts with a bullet or {match}"),
    ]
    for wrong, reason in problems:
        if wrong:
            raise KnowledgeError(f"{reason}: {text!r}")


def parse_entry(raw: Mapping[str, Any], domain: str) -> Entry:
    """An entry from its YAML form. Raises KnowledgeError naming the entry and the rule."""
    name = f"{domain}/{raw.get('id', '?')}"
    try:
        expected = {"id", "task", "examples", *LISTS}
        if set(raw) != expected:
            raise KnowledgeError(f"keys differ from the expected ones: {sorted(set(raw) ^ expected)}")
        for key, least in MINIMUM.items():
            if len(raw[key]) < least:
                raise KnowledgeError(f"{key}: {len(raw[key])} lines, {least} needed")
        lines = parse_lists(raw)
        check_lists(lines)
    except KnowledgeError as error:
        raise KnowledgeError(f"{name}: {error}") from error
    return with_prompts(Entry(name, raw["task"], (), subjects={}, **lines), raw["examples"])


def parse_lists(raw: Mapping[str, Any]) -> dict[str, tuple[Line, ...]]:
    """The lines of an entry from its YAML form, by the list they stand in. Raises KnowledgeError."""
    return {kind: tuple(parse_line(item, kind) for item in raw[kind]) for kind in LISTS}


def check_lists(lines: Mapping[str, tuple[Line, ...]]) -> None:
    """Raises KnowledgeError when a list lacks its unconditional default or its share of conditions."""
    for kind in ("personas", "contexts", "goals"):
        last = lines[kind][-1]
        if last.conditional or "{" in last.text:
            raise KnowledgeError(f"{kind}: the last line must be unconditional and without slots")
    for kind in ("constraints", "steps"):
        plain = [line for line in lines[kind] if not line.conditional and "{topic}" not in line.text]
        if len(plain) < 4:
            raise KnowledgeError(f"{kind}: {len(plain)} lines without condition or topic, 4 needed")
    constraints = lines["constraints"]
    if sum(line.says is not None for line in constraints) < 3 or sum(line.lacks is not None for line in constraints) < 3:
        raise KnowledgeError("constraints: at least 3 with says and 3 with lacks")


@cache
def entries() -> Mapping[str, Entry]:
    """Every entry by its full name. Raises KnowledgeError for any broken rule, within or across files."""
    found: dict[str, Entry] = {}
    seen: dict[str, str] = {}
    folder = resources.files(__package__).joinpath("entries")
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if not file.name.endswith(".yaml"):
            continue
        domain = file.name.removesuffix(".yaml")
        more = more_prompts(domain)
        for raw in parse_yaml(file.read_text(encoding="utf-8")):
            entry = with_prompts(parse_entry(raw, domain), more.pop(str(raw["id"]), []))
            if entry.name in found:
                raise KnowledgeError(f"{entry.name}: the id is used twice")
            for line in all_lines(entry):
                if line.text in seen:
                    raise KnowledgeError(f"{entry.name}: repeats a line of {seen[line.text]}: {line.text!r}")
                seen[line.text] = entry.name
            found[entry.name] = entry
        if more:
            raise KnowledgeError(f"{domain}: prompts for unknown entries: {', '.join(sorted(more))}")
    return found


@cache
def common() -> tuple[Line, ...]:
    """Constraints that may lead those of any entry."""
    return tuple(parse_line(raw, "constraints") for raw in read_yaml("common.yaml"))


def more_prompts(domain: str) -> dict[str, list[str]]:
    """Further prompts for the entries of a domain by their id, from prompts/<domain>.yaml; none where there is no such file."""
    file = resources.files(__package__).joinpath("prompts", f"{domain}.yaml")
    return parse_yaml(file.read_text(encoding="utf-8")) if file.is_file() else {}


def with_prompts(entry: Entry, prompts: Sequence[Any]) -> Entry:
    """The entry with more examples; `{*…}` in one marks its subject. Raises KnowledgeError for one that is no text or stands twice."""
    examples, subjects = list(entry.examples), dict(entry.subjects)
    for prompt in prompts:
        if not isinstance(prompt, str) or not prompt.strip():
            raise KnowledgeError(f"{entry.name}: an example is no text, it wants quotes: {prompt!r}")
        marked = SUBJECT.findall(prompt)
        if len(marked) > 1:
            raise KnowledgeError(f"{entry.name}: two subjects in {prompt!r}")
        example = SUBJECT.sub(r"\1", prompt)
        if example in examples:
            raise KnowledgeError(f"{entry.name}: an example stands twice: {example!r}")
        examples.append(example)
        if marked:
            subjects[example] = marked[0]
    return replace(entry, examples=tuple(examples), subjects=subjects)


def all_lines(entry: Entry) -> Iterator[Line]:
    """Every line of an entry, list by list."""
    for kind in LISTS:
        yield from getattr(entry, kind)
