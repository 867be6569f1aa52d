"""A prompt belongs to the entry with the nearest examples; tried with an embedder that counts words."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from promptopt.errors import InvalidInput
from promptopt_training import data
from promptopt_training.golden.knowledge import Entry, entries
from promptopt_training.inputs import Input, Read
from promptopt_training.labels import NEIGHBOURS, Label, Matrix, nearest_entries, read_labels

WORDS = "bake bread cake oven sort list array fast tune guitar string sing".split()


def words(texts: Sequence[str]) -> Matrix:
    """Unit vectors of word counts; a text without known words is nowhere near any other."""
    counts = np.array([[text.split().count(word) for word in WORDS] for text in texts], dtype=np.float32).reshape(len(texts), len(WORDS))
    lengths = np.linalg.norm(counts, axis=1, keepdims=True)
    return np.asarray(counts / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def entry(name: str, task: str, *examples: str) -> Entry:
    return Entry(name, task, examples, (), (), (), (), ())


def knowledge() -> Mapping[str, Entry]:
    found = [
        entry("life/baking", "bake", "bake bread", "bake cake", "oven bread", "oven"),
        entry("code/sorting", "sort", "sort list", "sort array", "fast sort"),
        entry("life/music", "tune", "tune guitar", "sing", "guitar string"),
    ]
    return {item.name: item for item in found}


@pytest.mark.parametrize(
    ("text", "name"), [("bake bread", "life/baking"), ("sort array fast", "code/sorting"), ("tune string", "life/music")]
)
def test_a_text_belongs_to_the_entry_with_the_nearest_examples(text: str, name: str) -> None:
    assert nearest_entries([text], knowledge(), words)[0][0] == name


def test_the_similarity_is_the_mean_over_the_nearest_three_of_task_and_examples() -> None:
    assert NEIGHBOURS == 3
    [(name, score)] = nearest_entries(["bake bread"], knowledge(), words)
    half = 1 / np.sqrt(2)
    assert name == "life/baking"
    assert score == pytest.approx((1.0 + half + 0.5) / 3, abs=1e-6)


def test_one_near_example_alone_does_not_win_over_three_fairly_near_ones() -> None:
    choices = {
        "one": entry("one", "sing", "bake bread cake", "sing guitar"),
        "many": entry("many", "bake bread", "bake cake", "bread cake"),
    }
    assert nearest_entries(["bake bread cake"], choices, words)[0][0] == "many"


def test_a_text_far_from_everything_scores_nothing() -> None:
    assert nearest_entries(["zzz"], knowledge(), words)[0][1] == 0.0


def test_answers_come_in_the_order_of_the_texts_across_chunks() -> None:
    texts = ["bake bread", "sort list", "tune guitar"] * 700
    found = [name for name, _ in nearest_entries(texts, knowledge(), words)]
    assert found == ["life/baking", "code/sorting", "life/music"] * 700


def test_no_texts_give_no_answers() -> None:
    assert nearest_entries([], knowledge(), words) == []


def labelled(monkeypatch: pytest.MonkeyPatch, *inputs: Input) -> set[Read]:
    monkeypatch.setattr(data, "entries", knowledge)
    return set(data.labelled(inputs, 0, words, {}))


def test_inputs_above_the_threshold_are_labelled_and_others_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert labelled(monkeypatch, Input("bake cake", "own"), Input("zzz", "own"), Input("sort list zzz", "own")) == {
        Read("bake cake", "own", "life/baking"),
        Read("sort list zzz", "own", "code/sorting"),
    }


@pytest.mark.parametrize(("score", "kept"), [(data.THRESHOLD, 1), (data.THRESHOLD - 0.001, 0)])
def test_a_score_at_the_threshold_is_enough(score: float, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "nearest_entries", lambda texts, choices, embed: [("life/baking", score)] * len(texts))
    assert len(labelled(monkeypatch, Input("bake", "own"))) == kept


@pytest.mark.parametrize("source", data.THRESHOLDS)
def test_loose_sets_have_a_higher_threshold_of_their_own(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threshold = data.THRESHOLDS[source]
    assert threshold > data.THRESHOLD
    for score, kept in ((threshold, 1), (threshold - 0.001, 0)):
        monkeypatch.setattr(data, "nearest_entries", lambda texts, choices, embed, score=score: [("life/baking", score)] * len(texts))
        monkeypatch.setattr(data, "capped", lambda inputs, seed: list(inputs))
        assert len(labelled(monkeypatch, Input("bake", source))) == kept, score


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        ("bake bread sort list", "mbpp_train", "code/sorting"),
        ("bake bread sort list", "gpteacher_codegen", "code/sorting"),
        ("sort list fast bake bread", "clinc150", "life/baking"),
        ("sort list fast bake bread", "gpteacher_roleplay", "life/baking"),
        ("bake bread cake sort", "own", "life/baking"),
        ("sort list fast bake", "own", "code/sorting"),
    ],
)
def test_inputs_of_a_set_belong_to_entries_of_its_domains_only(text: str, source: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "capped", lambda inputs, seed: list(inputs))
    assert labelled(monkeypatch, Input(text, source)) == {Read(text, source, name)}


def test_every_domain_named_for_a_set_is_one_of_the_knowledge_base() -> None:
    known = {name.split("/")[0] for name in entries()}
    assert {domain for domains in data.DOMAINS.values() for domain in domains} <= known


def test_large_sets_are_capped_before_they_are_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [Input("bake bread", "own")] * 100 + [Input("bake cake", "clinc150")] * 100
    monkeypatch.setattr(data, "entries", knowledge)
    sources = [item.source for item in data.labelled(inputs, 0, words, {})]
    assert (sources.count("own"), sources.count("clinc150")) == (100, 21)


def test_what_somebody_read_counts_and_is_not_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "entries", knowledge)
    inputs = [
        Input("bake cake", "own", id="1"),
        Input("sort list", "own", id="2"),
        *(Input(f"zzz {n}", "clinc150", id=f"c{n}") for n in range(50)),
    ]
    read = {"1": Label("life/music", "cake"), "2": Label(""), **{f"c{n}": Label("life/baking") for n in range(50)}}
    found = data.labelled(inputs, 0, words, read)
    assert Read("bake cake", "own", "life/music", "cake") in found
    assert len(found) == 51


def test_labels_are_read_by_id(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"id": "a", "entry": "life/pets", "subject": "cats"}\n{"id": "b", "entry": ""}\n', encoding="utf-8")
    assert read_labels(path) == {"a": Label("life/pets", "cats"), "b": Label("")}


def test_bad_labels_are_named_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(
        '{"id": "a", "entry": "life/kites"}\n{"id": 3, "entry": ""}\n["a", "b"]\n{"id": "c", "entry": "", "subject": 3}\n', encoding="utf-8"
    )
    with pytest.raises(InvalidInput) as caught:
        read_labels(path)
    for part in (
        "line 1: the knowledge base has no entry 'life/kites'",
        'line 2: not an object with "id" and "entry"',
        "line 3: not an object",
        'line 4: "subject" is not a string',
    ):
        assert part in str(caught.value)


def test_the_labels_that_ship_are_of_known_entries() -> None:
    labels = read_labels(Path(__file__).parents[2] / "training" / "runs" / "input_labels.jsonl")
    assert len(labels) > 7000
    assert sum(bool(label.entry) for label in labels.values()) > 7000
    assert sum(bool(label.subject) for label in labels.values()) > 3000


def test_no_inputs_give_no_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert labelled(monkeypatch) == set()
