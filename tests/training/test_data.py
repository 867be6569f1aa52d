"""The composed pairs: as many as asked for, all different, all sound, the same for the same seed."""

import json
import random
from collections import Counter
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import mini_codec

from promptopt.errors import BundleError, InvalidInput
from promptopt_training import data
from promptopt_training.data import (
    LONGEST_REMARKED,
    MISTYPED_SHARE,
    REMARK_SHARE,
    SHORT_SHARE,
    STYLES,
    check_pairs,
    composed,
    golden_pairs,
    pretraining_pairs,
    unchanged,
    varied,
    write_data,
)
from promptopt_training.golden.compose import compose, fill
from promptopt_training.golden.general import ANY, general_entries, stand_ins
from promptopt_training.golden.knowledge import KnowledgeError, common, entries
from promptopt_training.golden.layouts import LAYOUTS
from promptopt_training.inputs import Read, example_inputs, kept, with_remarks
from promptopt_training.labels import Matrix
from promptopt_training.measures import faults, form_problems
from promptopt_training.options import DataOptions
from promptopt_training.records import Pair, read_pairs

BASE = "promptopt-mini"


@cache
def five_hundred() -> tuple[Pair, ...]:
    return tuple(golden_pairs(500, seed=0))


def few_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves three entries in the knowledge base."""
    some = dict(islice(entries().items(), 3))
    monkeypatch.setattr(data, "entries", lambda: some)


def test_five_hundred_pairs_are_five_hundred_different_prompts() -> None:
    assert len(five_hundred()) == 500
    assert len({pair.prompt for pair in five_hundred()}) == 500


def test_the_same_seed_gives_the_same_pairs_and_another_seed_others() -> None:
    assert golden_pairs(60, seed=3) == golden_pairs(60, seed=3)
    assert {pair.prompt for pair in golden_pairs(60, seed=3)} != {pair.prompt for pair in golden_pairs(60, seed=4)}


def test_fewer_pairs_are_the_first_of_more() -> None:
    assert golden_pairs(40, seed=0) == list(five_hundred()[:40])


def test_about_one_in_twenty_is_a_structured_prompt_that_stays_as_it_is() -> None:
    same = [pair for pair in five_hundred() if pair.prompt == pair.rewrite]
    assert 0.03 < len(same) / 500 < 0.08
    assert all(pair.prompt.startswith("Act as ") for pair in same)


def test_many_entries_of_every_domain_are_among_the_pairs() -> None:
    names = Counter(pair.entry for pair in five_hundred())
    general = sum(names.pop(name) for name in general_entries())
    assert 0.3 < general / 500 < 0.5
    assert set(names) <= set(entries())
    assert len(names) > 130
    assert {name.split("/")[0] for name in names} == {name.split("/")[0] for name in entries()}
    assert max(names.values()) < 15


TEXT = "How do I sort a list of cities in Python"
EXAMPLE = Read(TEXT, "example", "code/howto_code", "cities")


def test_prompts_are_mistyped_remarked_on_and_cut_short_by_their_shares() -> None:
    kinds = Counter(kind(varied(EXAMPLE, random.Random(seed))[0]) for seed in range(4000))
    assert abs(kinds["remarked"] / 4000 - REMARK_SHARE) < 0.02
    assert abs(kinds["short"] / 4000 - SHORT_SHARE) < 0.02
    assert 0.4 * MISTYPED_SHARE < kinds["mistyped"] / 4000 < 0.6 * MISTYPED_SHARE  # half of the slips change nothing here


def kind(prompt: str) -> str:
    if prompt == TEXT:
        return "as it is"
    if TEXT in prompt:
        return "remarked"
    return "short" if len(prompt) < len(TEXT) - 4 else "mistyped"


def test_only_examples_are_cut_short_and_long_prompts_get_no_remarks() -> None:
    longer = Read("so " * LONGEST_REMARKED + TEXT, "own", "code/howto_code")
    drawn = [varied(longer, random.Random(seed))[0] for seed in range(500)]
    assert min(len(prompt.split()) for prompt in drawn) >= len(longer.text.split())
    assert max(len(prompt.split()) for prompt in drawn) <= len(longer.text.split()) + 1


def test_the_subject_is_kept_as_it_stands_and_lost_with_its_words() -> None:
    drawn = [varied(EXAMPLE, random.Random(seed)) for seed in range(600)]
    assert {subject for _, subject in drawn} == {"cities", ""}
    assert all(subject == ("cities" if "cities" in prompt else "") for prompt, subject in drawn)


def test_a_remark_never_becomes_the_subject() -> None:
    remarked = [said for seed in range(400) if TEXT in (said := varied(EXAMPLE, random.Random(seed)))[0]]
    assert len(remarked) > 40
    assert {about for _, about in remarked} == {"cities"}


def test_without_a_subject_no_line_speaks_of_one() -> None:
    rng, knowledge = random.Random(0), entries()
    nameless = [item for item in example_inputs(knowledge) if not item.subject]
    assert len(nameless) > 100
    for item in nameless:
        entry, prompt = knowledge[item.entry], with_remarks(item.text, rng)
        parts = compose(prompt, entry)
        lines = (*entry.contexts, *common(), *entry.constraints, *entry.steps, *entry.goals)
        plain = {fill(line, prompt, "") for line in lines if "{topic}" not in line.text}
        assert {parts.context, *parts.constraints, *parts.steps, parts.goal} <= plain, prompt


def test_every_pair_comes_back_from_the_codec_as_it_went_in() -> None:
    codec = mini_codec()
    for pair in five_hundred():
        assert codec.decode(pair.prompt, codec.encode_rewrite(pair.prompt, pair.rewrite)) == pair.rewrite


def test_every_pair_keeps_the_golden_rules() -> None:
    for pair in five_hundred():
        if pair.prompt == pair.rewrite:
            continue
        assert form_problems(pair.prompt, pair.rewrite) == [], pair.prompt
        assert {kind: cases for kind, cases in faults(pair.prompt, pair.rewrite).items() if kind != "invented name"} == {}, pair.prompt


@pytest.mark.parametrize("style", LAYOUTS)
def test_pairs_of_any_style_are_in_that_form_and_pass_the_codec(style: str) -> None:
    pairs = golden_pairs(40, seed=1, style=style)
    assert {pair.style for pair in pairs} == {style}
    check_pairs(pairs, BASE)
    for pair in pairs:
        if pair.prompt != pair.rewrite:
            entry = {**entries(), **general_entries()}[pair.entry]
            known = (entry, *(own for name, own in entries().items() if pair.entry in (ANY, stand_ins()[name])))
            subjects = {"", *(kept(subject, pair.prompt) for one in known for subject in one.subjects.values())}
            assert pair in [composed(pair.prompt, entry, style, subject) for subject in subjects]


@pytest.mark.parametrize(
    ("prompt", "subject", "named"),
    [("explain tides", "tides", "tides"), ("explain tides to a child", "tides", ""), ("explain it", "", "")],
)
def test_the_subject_of_a_pair_is_what_its_rewrite_may_name(prompt: str, subject: str, named: str) -> None:
    pair = composed(prompt, entries()["study_work/explain"], "golden", subject)
    assert (pair.subject, "tides" in pair.rewrite.replace(prompt, "")) == (named, bool(named))


def test_the_lesson_to_leave_a_prompt_alone_has_the_rewrite_on_both_sides() -> None:
    pair = Pair("a", "do a", "golden", "code/function")
    assert unchanged(pair) == Pair("do a", "do a", "golden", "code/function")


def test_more_pairs_than_there_are_is_refused_with_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    few_entries(monkeypatch)
    with pytest.raises(ValueError, match=r"^only \d+ different pairs can be composed, 5000 were asked for$"):
        golden_pairs(5000, seed=0)


def test_all_pairs_but_no_more_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    few_entries(monkeypatch)
    with pytest.raises(ValueError, match="only") as caught:
        golden_pairs(5000, seed=0)
    most = int(str(caught.value).split()[1])
    assert most > 45
    assert len(golden_pairs(most, seed=0)) == most
    with pytest.raises(ValueError, match=f"{most + 1} were asked for"):
        golden_pairs(most + 1, seed=0)


def test_pretraining_pairs_come_in_every_style_and_as_many_as_asked_for() -> None:
    pairs = list(pretraining_pairs(800, 0, [Read("bake me a cake", "own", next(iter(entries())))]))
    styles = Counter(pair.style for pair in pairs)
    assert len(pairs) == 800
    assert set(styles) == set(LAYOUTS)
    shares = sum(STYLES.get(style, 1) for style in LAYOUTS)
    assert all(abs(styles[style] / 800 - STYLES.get(style, 1) / shares) < 0.04 for style in LAYOUTS), styles
    assert 0.03 < sum(pair.prompt == pair.rewrite for pair in pairs) / 800 < 0.08


def test_pretraining_pairs_follow_from_the_seed() -> None:
    first = list(pretraining_pairs(50, 5, []))
    assert list(pretraining_pairs(50, 5, [])) == first
    assert list(pretraining_pairs(50, 6, [])) != first


def test_several_processes_compose_the_pairs_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "PART", 40)
    inputs = [Read("bake me a cake", "own", next(iter(entries())))]
    assert list(pretraining_pairs(110, 5, inputs, jobs=2)) == list(pretraining_pairs(110, 5, inputs))


def test_pretraining_takes_inputs_in_proportion_to_the_weight_of_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    few_entries(monkeypatch)
    monkeypatch.setattr(data, "example_inputs", lambda knowledge: iter(()))
    monkeypatch.setattr(data, "phrasings", lambda: {})
    monkeypatch.setattr(data, "varied", lambda item, rng: (item.text, ""))
    monkeypatch.setattr(data, "UNCHANGED_SHARE", 0.0)
    name = next(iter(entries()))
    monkeypatch.setattr(data, "WEIGHTS", {"mbpp_train": 3, "in3_train": 2})
    inputs = [Read("sort it", "mbpp_train", name), Read("bake", "own", name), Read("plan", "in3_train", name)]
    counts = Counter(pair.prompt for pair in pretraining_pairs(60, 0, inputs))
    assert counts == {"sort it": 30, "plan": 20, "bake": 10}


@pytest.mark.parametrize("name", ["deep/pairs.json", "pairs.jsonl"])
def test_the_command_writes_the_pairs_and_says_so(name: str, tmp_path: Path) -> None:
    lines: list[str] = []
    path = tmp_path / name
    write_data(DataOptions(size=30, seed=2, output=path), lines.append)
    assert read_pairs(path) == golden_pairs(30, seed=2)
    assert lines == [f"30 pairs in {path}: {{'golden': 30}}"]


def test_the_file_for_another_style_has_that_style(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    write_data(DataOptions(size=25, style="xml", output=path), lambda line: None)
    assert {row["style"] for row in json.loads(path.read_text(encoding="utf-8"))} == {"xml"}


@pytest.mark.parametrize("options", [{"held_out": ("measured.jsonl",)}, {"labels": Path("labels.jsonl")}])
def test_what_says_something_of_inputs_is_not_passed_over_without_them(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"^--held_out and --labels say something of --inputs, and there are none"):
        write_data(DataOptions(output=tmp_path / "pairs.json", **options), lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_style_is_refused_with_the_known_ones_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    with pytest.raises(InvalidInput) as caught:
        write_data(DataOptions(style="haiku", output=path), lambda line: None)
    known = "golden, markdown, xml, concise, task_first, prose, checklist, capitals, questions, bold, brackets, task_last"
    assert str(caught.value) == f"There is no form 'haiku'. Known are {known}."
    assert not path.exists()


def test_too_many_pairs_are_refused_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_entries(monkeypatch)
    path = tmp_path / "pairs.json"
    with pytest.raises(InvalidInput, match=r"^The pairs cannot be made: only \d+ .* 5000 were asked for\. Ask for fewer\.$"):
        write_data(DataOptions(size=5000, output=path), lambda line: None)
    assert not path.exists()


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_makes_no_file_of_pairs_is_refused(size: int, tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    with pytest.raises(InvalidInput, match=f"^{size} pairs cannot be made"):
        write_data(DataOptions(size=size, output=path), lambda line: None)
    assert not path.exists()


def test_an_unknown_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="There is no base 'nowhere/at-all'"):
        write_data(DataOptions(size=5, base="nowhere/at-all", output=tmp_path / "pairs.json"), lambda line: None)


def test_real_prompts_become_pretraining_pairs_in_every_style(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def alike(texts: object) -> Matrix:
        return np.ones((len(list(texts)), 1), dtype=np.float32)  # type: ignore[call-overload]

    monkeypatch.setattr(data, "sentence_embedder", lambda: alike)
    inputs, path, lines = tmp_path / "inputs.jsonl", tmp_path / "pairs.jsonl", list[str]()
    inputs.write_text('{"text": "bake a cake", "source": "own"}\n{"text": "sort it", "source": "mbpp_train"}\n', encoding="utf-8")
    write_data(DataOptions(size=200, inputs=inputs, output=path), lines.append)
    assert len(read_pairs(path)) == 200
    assert {pair.style for pair in read_pairs(path)} == set(LAYOUTS)
    assert "2 of the inputs fit an entry of the knowledge base" in lines


def test_a_pair_that_breaks_a_golden_rule_is_named() -> None:
    good = five_hundred()[0]
    bad = Pair("fix it", "Task: fix it", "golden", "")
    with pytest.raises(ValueError, match=r"^pair 2 breaks a golden rule \(.*no persona line at the start.*\): 'fix it'$"):
        check_pairs([good, bad], BASE)


def test_a_pair_of_another_style_need_not_keep_the_golden_form() -> None:
    check_pairs([Pair("fix it", "Task: fix it", "own", "")], BASE)


def test_a_broken_knowledge_base_is_no_matter_of_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise KnowledgeError("code/function: no full stop: 'Go on'")

    monkeypatch.setattr(data, "entries", broken)
    with pytest.raises(InvalidInput) as caught:
        write_data(DataOptions(size=5, output=tmp_path / "pairs.json"), lambda line: None)
    assert caught.value.message == "The knowledge base breaks a rule: code/function: no full stop: 'Go on'."
    assert caught.value.hint == "Mend that entry; golden/README.md says how."


def test_a_pair_that_cannot_be_used_is_no_matter_of_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "golden_pairs", lambda size, seed, style: [Pair("fix it", "Task: fix it", "golden", "")])
    with pytest.raises(InvalidInput) as caught:
        write_data(DataOptions(size=1, output=tmp_path / "pairs.json"), lambda line: None)
    assert caught.value.message.startswith("The pairs cannot be used: pair 1 breaks a golden rule (")
    assert caught.value.hint == "Mend the entry it comes from; golden/README.md says how."
