"""Each rule of golden/README.md is enforced, and everything that ships keeps to it."""

import copy
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptopt_training.golden import knowledge
from promptopt_training.golden.general import general_entries
from promptopt_training.golden.knowledge import KnowledgeError, Line, all_lines, entries, features, parse_entry, parse_line, pattern

SOFTWARE = ("code", "quality", "web", "data_ops", "engineering")
Raw = dict[str, Any]


def sound() -> Raw:
    """An entry that breaks no rule, as it stands in YAML."""
    return {
        "id": "kite",
        "task": "build a kite",
        "examples": [f"build a kite of shape {letter}" for letter in "abcdefghijkl"],
        "personas": ["a kite maker", "the owner of a kite shop"],
        "contexts": [{"text": "The kite for {topic} has to fly."}, "The kite has to fly in a light wind."],
        "constraints": [
            *({"says": f"word{letter}", "text": f"Mind {{match}} and thing {letter}."} for letter in "abc"),
            *({"lacks": f"word{letter}", "text": f"Assume thing {letter} and say so."} for letter in "abc"),
            *(f"Keep part {letter} light." for letter in "abcdef"),
        ],
        "steps": [f"Cut part {letter}." for letter in "abcdefghij"],
        "goals": ["A kite that flies.", "A kite that flies well."],
    }


def put(key: str, index: int, value: object) -> Callable[[Raw], None]:
    """A change of one line."""

    def change(raw: Raw) -> None:
        raw[key][index] = value

    return change


def short(key: str) -> Callable[[Raw], None]:
    """A change that leaves a list one line under its minimum."""

    def change(raw: Raw) -> None:
        raw[key] = raw[key][: knowledge.MINIMUM[key] - 1]

    return change


def conditions(kind: str) -> Callable[[Raw], None]:
    """A change that leaves two constraints of one kind of condition."""

    def change(raw: Raw) -> None:
        line = next(line for line in raw["constraints"] if isinstance(line, dict) and kind in line)
        raw["constraints"][raw["constraints"].index(line)] = "Say plainly what it weighs."

    return change


def all_conditional(key: str) -> Callable[[Raw], None]:
    """A change that leaves three lines of a list without condition or topic."""

    def change(raw: Raw) -> None:
        plain = [number for number, line in enumerate(raw[key]) if isinstance(line, str)]
        for number in plain[3:]:
            raw[key][number] = {"lacks": "rope", "text": f"Mention rope {'x' * (number + 1)}."}

    return change


BROKEN: dict[str, tuple[Callable[[Raw], None], str]] = {
    "an unknown key": (lambda raw: raw.update(tone="dry"), "keys differ from the expected ones: ['tone']"),
    "a missing list": (lambda raw: raw.pop("goals"), "keys differ from the expected ones: ['goals']"),
    "a missing task": (lambda raw: raw.pop("task"), "keys differ from the expected ones: ['task']"),
    "few examples": (short("examples"), "examples: 11 lines, 12 needed"),
    "an example that is a mapping": (put("examples", 0, {"clue": "a kite"}), "an example is no text, it wants quotes: {'clue': 'a kite'}"),
    "one persona": (short("personas"), "personas: 1 lines, 2 needed"),
    "one context": (short("contexts"), "contexts: 1 lines, 2 needed"),
    "few constraints": (short("constraints"), "constraints: 11 lines, 12 needed"),
    "few steps": (short("steps"), "steps: 9 lines, 10 needed"),
    "one goal": (short("goals"), "goals: 1 lines, 2 needed"),
    "two conditions too many in one line": (
        put("steps", 0, {"text": "Cut.", "says": "a", "says_not": "b"}),
        "a line is a string or a mapping of text, says and lacks",
    ),
    "a line without text": (put("steps", 0, {"says": "a"}), "a line is a string or a mapping of text, says and lacks"),
    "a line that is a number": (put("steps", 0, 7), "a line is a string or a mapping of text, says and lacks, not 7"),
    "an unknown feature": (put("steps", 0, {"says": "$weather", "text": "Cut."}), "unknown feature $weather"),
    "a broken expression": (put("steps", 0, {"lacks": "(wind", "text": "Cut."}), "invalid expression '(wind'"),
    "an unknown slot": (put("steps", 0, "Cut the {colour} part."), "unknown slot: 'Cut the {colour} part.'"),
    "match without says": (put("steps", 0, {"lacks": "a", "text": "Cut {match}."}), "{match} without says: 'Cut {match}.'"),
    "the topic twice": (put("steps", 0, "Cut {topic} for {topic}."), "a slot twice"),
    "the match twice": (put("steps", 0, {"says": "a", "text": "Cut {match} for {match}."}), "a slot twice"),
    "a digit": (put("steps", 0, "Cut 2 parts."), "a digit, a URL or a line break: 'Cut 2 parts.'"),
    "a URL": (put("steps", 0, "Cut as in https://kites.example says."), "a digit, a URL or a line break"),
    "a line break": (put("steps", 0, "Cut.\nGlue."), "a digit, a URL or a line break"),
    "a long step": (put("steps", 0, "Cut " + "long " * 13 + "paper."), "too long"),
    "a long persona": (put("personas", 0, "a" + " kite" * 13 + " maker"), "too long"),
    "a long goal": (put("goals", 0, "A" + " long" * 19 + " kite."), "too long"),
    "a space at the end": (put("steps", 0, "Cut. "), "stray white space"),
    "two spaces": (put("steps", 0, "Cut  here."), "stray white space"),
    "a persona without article": (put("personas", 0, "kite maker"), "a persona begins with a, an, the or {expert}: 'kite maker'"),
    "an expert within a persona": (put("personas", 0, "a friend of {expert} who flies"), "{expert} is how a line begins"),
    "an expert of a step": (put("steps", 0, "{expert} cuts it."), "{expert} is for personas"),
    "two subjects": (put("examples", 0, "a {*kite} for {*a park}"), "two subjects in"),
    "a persona with a full stop": (put("personas", 0, "a kite maker."), "a persona has no full stop"),
    "a context without full stop": (put("contexts", 0, "The kite has to fly"), "no full stop"),
    "a constraint without full stop": (put("constraints", 11, "Keep it light"), "no full stop"),
    "a step without full stop": (put("steps", 0, "Cut"), "no full stop"),
    "a goal without full stop": (put("goals", 0, "A kite"), "no full stop"),
    "a bullet": (put("constraints", 11, "- Keep it light."), "starts with a bullet or {match}"),
    "a step that starts with the match": (
        put("steps", 0, {"says": "a", "text": "{match} comes first."}),
        "starts with a bullet or {match}",
    ),
    "a conditional last persona": (put("personas", 1, {"says": "a", "text": "a maker"}), "personas: the last line must be unconditional"),
    "a topical last context": (put("contexts", 1, "It is for {topic}."), "contexts: the last line must be unconditional and without slots"),
    "a conditional last goal": (put("goals", 1, {"lacks": "a", "text": "A kite."}), "goals: the last line must be unconditional"),
    "few general constraints": (all_conditional("constraints"), "constraints: 3 lines without condition or topic, 4 needed"),
    "few general steps": (all_conditional("steps"), "steps: 3 lines without condition or topic, 4 needed"),
    "two constraints with says": (conditions("says"), "constraints: at least 3 with says and 3 with lacks"),
    "two constraints with lacks": (conditions("lacks"), "constraints: at least 3 with says and 3 with lacks"),
}


def test_an_entry_that_keeps_the_rules_is_read_as_written() -> None:
    entry = parse_entry(sound(), "toys")
    assert (entry.name, entry.task, len(entry.examples)) == ("toys/kite", "build a kite", 12)
    assert [line.text for line in entry.personas] == ["a kite maker", "the owner of a kite shop"]
    assert [line.text for line in entry.steps] == [f"Cut part {letter}." for letter in "abcdefghij"]
    assert [line.conditional for line in entry.constraints] == [True] * 6 + [False] * 6
    assert entry.constraints[0].lacks is None
    assert entry.constraints[3].says is None


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_refused_with_the_name_of_the_entry(rule: str) -> None:
    change, reason = BROKEN[rule]
    raw = copy.deepcopy(sound())
    change(raw)
    with pytest.raises(KnowledgeError) as caught:
        parse_entry(raw, "toys")
    assert str(caught.value).startswith("toys/kite: ")
    assert reason in str(caught.value)


def test_the_subject_of_an_example_is_marked_in_it() -> None:
    raw = sound()
    raw["examples"][0] = "build {*a box kite} today"
    entry = parse_entry(raw, "toys")
    assert entry.examples[0] == "build a box kite today"
    assert entry.subjects == {"build a box kite today": "a box kite"}


def test_an_entry_without_id_is_named_by_its_file() -> None:
    raw = sound()
    del raw["id"]
    with pytest.raises(KnowledgeError, match=r"^toys/\?: keys differ from the expected ones: \['id'\]"):
        parse_entry(raw, "toys")


def test_lines_at_the_limit_of_length_are_allowed() -> None:
    raw = sound()
    raw["steps"][0] = "Cut " + "long " * 12 + "paper."
    raw["goals"][0] = "A" + " long" * 18 + " kite."
    entry = parse_entry(raw, "toys")
    assert [len(entry.steps[0].text.split()), len(entry.goals[0].text.split())] == [14, 20]


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("list|arra(ys|y)", "two Arrays", "Arrays"),
        ("list", "enlist me", None),
        ("list", "the LISTING", "LIST"),
        ("$diet", "a gluten free cake", "gluten"),
        ("$file|$url", "see https://x.org", "https://"),
        ("$number", "in 3 days", "3"),
        (r"c\+\+", "use c++ now", "c++"),
    ],
)
def test_expressions_match_word_beginnings_in_any_case(source: str, text: str, found: str | None) -> None:
    match = pattern(source).search(text)
    assert (match.group() if match else None) == found


def test_every_feature_is_a_valid_expression_that_can_be_named() -> None:
    assert len(features()) == 30
    for name, source in features().items():
        assert pattern(f"${name}").pattern == rf"(?<!\w)(?:{source})"


def test_a_line_may_carry_both_conditions() -> None:
    line = parse_line({"text": "Mind {match}.", "says": "wind", "lacks": "rope"}, "steps")
    assert line == Line("Mind {match}.", pattern("wind"), pattern("rope"))


def read_from(folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, list[Raw]]) -> dict[str, Any]:
    """What `entries` makes of these files."""
    features()
    (folder / "entries").mkdir()
    (folder / "entries" / "README.md").write_text("not YAML", encoding="utf-8")
    for name, raw in files.items():
        (folder / "entries" / name).write_text(yaml.safe_dump(raw), encoding="utf-8")
    monkeypatch.setattr(knowledge.resources, "files", lambda package: folder)
    return dict(entries.__wrapped__())


def reworded(raw: Raw, name: str) -> Raw:
    """The entry under another name, with lines of its own."""
    text = yaml.safe_dump(raw).replace("kite", name).replace("part", f"{name} part").replace("thing", f"{name} thing")
    changed: Raw = yaml.safe_load(text)
    return changed


def test_entries_are_read_from_every_yaml_file_under_their_full_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_from(tmp_path, monkeypatch, {"b.yaml": [sound()], "a.yaml": [reworded(sound(), "drum"), reworded(sound(), "ball")]})
    assert list(found) == ["a/drum", "a/ball", "b/kite"]


def prompts_beside(folder: Path, more: object) -> None:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "toys.yaml").write_text(yaml.safe_dump(more), encoding="utf-8")


def test_further_prompts_of_a_domain_follow_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts_beside(tmp_path, {"kite": ["fly high", "mend a tail"]})
    found = read_from(tmp_path, monkeypatch, {"toys.yaml": [sound(), reworded({**sound(), "id": "drum"}, "drum")]})
    assert found["toys/kite"].examples == (*sound()["examples"], "fly high", "mend a tail")
    assert len(found["toys/drum"].examples) == 12


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"spinner": ["spin"]}, r"^toys: prompts for unknown entries: spinner$"),
        ({"kite": ["fly", "fly"]}, r"^toys/kite: an example stands twice: 'fly'$"),
        ({"kite": ["build a kite of shape a"]}, r"^toys/kite: an example stands twice: 'build a kite of shape a'$"),
        ({"kite": [{"clue": "a"}]}, r"^toys/kite: an example is no text, it wants quotes: \{'clue': 'a'\}$"),
        ({"kite": [" "]}, r"^toys/kite: an example is no text, it wants quotes: ' '$"),
    ],
)
def test_further_prompts_that_cannot_be_used_are_refused(
    more: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts_beside(tmp_path, more)
    with pytest.raises(KnowledgeError, match=message):
        read_from(tmp_path, monkeypatch, {"toys.yaml": [sound()]})


def test_an_id_used_twice_in_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = {**reworded(sound(), "drum"), "id": "kite"}
    with pytest.raises(KnowledgeError, match=r"^toys/kite: the id is used twice$"):
        read_from(tmp_path, monkeypatch, {"toys.yaml": [sound(), second]})


def test_a_line_that_stands_twice_in_an_entry_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = sound()
    raw["steps"][4] = "Cut part b."
    with pytest.raises(KnowledgeError, match=r"^toys/kite: repeats a line of toys/kite: 'Cut part b\.'$"):
        read_from(tmp_path, monkeypatch, {"toys.yaml": [raw]})


def test_a_line_of_another_entry_is_refused_across_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = reworded(sound(), "drum")
    second["steps"][4] = "Cut part b."
    with pytest.raises(KnowledgeError, match=r"^music/drum: repeats a line of games/kite: 'Cut part b\.'$"):
        read_from(tmp_path, monkeypatch, {"games.yaml": [sound()], "music.yaml": [second]})


def test_at_least_120_entries_ship_and_half_of_them_are_about_software() -> None:
    domains = Counter(name.split("/")[0] for name in entries())
    assert sum(domains.values()) >= 120
    assert set(domains) == {*SOFTWARE, "life", "study_work", "writing"}
    assert 2 * sum(domains[domain] for domain in SOFTWARE) >= sum(domains.values())


def test_no_line_stands_in_two_entries_even_in_another_case() -> None:
    owners: dict[str, list[str]] = {}
    for name, entry in entries().items():
        for line in all_lines(entry):
            owners.setdefault(line.text.lower(), []).append(name)
    assert {text: names for text, names in owners.items() if len(names) > 1} == {}


def test_half_of_the_constraints_of_every_entry_are_conditional() -> None:
    short_of = {
        name: (sum(line.conditional for line in entry.constraints), len(entry.constraints))
        for name, entry in entries().items()
        if 2 * sum(line.conditional for line in entry.constraints) < len(entry.constraints)
    }
    assert short_of == {}


def test_every_entry_names_the_topic_in_two_to_six_of_its_lines() -> None:
    counts = {name: sum("{topic}" in line.text for line in all_lines(entry)) for name, entry in entries().items()}
    assert {name: count for name, count in counts.items() if not 2 <= count <= 6} == {}


def test_no_persona_takes_words_from_the_prompt() -> None:
    """A network that may point there points at whatever stands there: "Act as a film"."""
    slots = {
        (name, line.text) for name, entry in entries().items() for line in entry.personas if re.search(r"\{(match|topic)\}", line.text)
    }
    assert slots == set()


def test_examples_of_every_entry_differ_and_are_short_and_long() -> None:
    for name, entry in entries().items():
        assert len(set(entry.examples)) == len(entry.examples), name
        lengths = [len(example.split()) for example in entry.examples]
        assert min(lengths) <= 5, name
        assert max(lengths) >= 10, name


def test_no_condition_is_met_by_every_example() -> None:
    examples = [example for entry in entries().values() for example in entry.examples]
    empty = [
        (name, line.text)
        for name, entry in entries().items()
        for line in all_lines(entry)
        for condition in (line.says, line.lacks)
        if condition and all(condition.search(example) for example in examples)
    ]
    assert empty == []


def test_no_line_names_what_its_prompt_need_not_name() -> None:
    plain = {"Background", "English", "Internet", "Latin", "Overview", "Things"}
    named = [
        (name, line.text, word)
        for name, entry in {**entries(), **general_entries()}.items()
        for line in all_lines(entry)
        for word in re.findall(r"(?<!^)(?<![.!?:] )\b[A-Z][A-Za-z]*[a-z]\b", line.text)
        if word not in plain and not (line.says and line.says.search(word))
    ]
    assert named == []
