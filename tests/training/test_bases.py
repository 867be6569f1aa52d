"""A base is found by name, folder or Hub id, and the kind of its vocabulary follows from what it holds."""

import json
from pathlib import Path

import pytest
from fakes import mini_codec
from hub.local_hub import LocalHub
from t5_codec import t5_vocabulary

from promptopt.bundle import builtin_folder
from promptopt.codec import Codec
from promptopt.errors import BundleError, HubError
from promptopt.vocabulary import Vocabulary
from promptopt_training.bases import FLAN_TABLE, OWN, SENTINELS, T5, find_base, kind_of
from promptopt_training.corpus import encode_pairs
from promptopt_training.data import golden_pairs
from promptopt_training.records import Pair


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return golden_pairs(500, seed=0)


@pytest.fixture(scope="module")
def flan(tmp_path_factory: pytest.TempPathFactory, pairs: list[Pair]) -> Path:
    """A folder with the vocabulary of a Flan-T5 as far as the pairs need it, and the size of its matrix."""
    folder = tmp_path_factory.mktemp("flan")
    t5_vocabulary(folder / "spiece.model", [line for pair in pairs for line in pair.rewrite.split("\n")], 2000)
    return with_config(folder, rows=2128)


def with_config(folder: Path, rows: int, kind: str = "t5") -> Path:
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "vocab_size": rows}))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_each_sentinel_of_t5_has_one_meaning() -> None:
    table = FLAN_TABLE
    used = [table.prompt, table.glue, table.capital, table.escape, table.line_break, *table.pointers]
    assert used == [f"<extra_id_{number}>" for number in range(SENTINELS)]
    assert table.points_at == "spans"


def test_sentinels_have_the_ids_that_t5_gives_them(flan: Path) -> None:
    pieces = len(Vocabulary(flan / "spiece.model"))
    codec = find_base(str(flan)).codec()
    assert (codec.prompt, codec.glue, codec.pointers[-1]) == (pieces + 99, pieces + 98, pieces)


def test_the_golden_pairs_come_back_exactly_and_fit(flan: Path, pairs: list[Pair]) -> None:
    codec = Codec(Vocabulary(flan / "spiece.model", SENTINELS), FLAN_TABLE)
    written = {pair.prompt: codec.encode_rewrite(pair.prompt, pair.rewrite) for pair in pairs}
    assert [pair.prompt for pair in pairs if codec.decode(pair.prompt, written[pair.prompt]) != pair.rewrite] == []
    assert max(map(len, written.values())) <= T5.write_limit
    assert len(encode_pairs(pairs, codec, T5.read_limit, T5.write_limit)) == 500


def test_the_kind_follows_from_the_vocabulary(flan: Path) -> None:
    assert kind_of(builtin_folder() / "promptopt-mini") == OWN
    assert kind_of(flan) == T5


@pytest.mark.parametrize(("rows", "kind"), [(2099, "t5"), (2128, "mt5")])
def test_a_vocabulary_of_neither_kind_is_refused(flan: Path, tmp_path: Path, rows: int, kind: str) -> None:
    (tmp_path / "spiece.model").write_bytes((flan / "spiece.model").read_bytes())
    with pytest.raises(BundleError, match="neither pieces of its own to point with nor the 100 sentinels"):
        kind_of(with_config(tmp_path, rows, kind))


def test_a_base_that_ships_is_called_by_its_name() -> None:
    base = find_base("promptopt-mini")
    assert (base.name, base.reference, base.kind) == ("promptopt-mini", "promptopt-mini", OWN)
    assert base.codec().encode_prompt("go", 99) == mini_codec().encode_prompt("go", 99)


def test_a_folder_is_called_by_its_whole_path_even_if_it_could_be_a_hub_id(
    flan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner").mkdir()
    (tmp_path / "owner" / "name").symlink_to(flan)
    assert find_base("owner/name").reference == str(flan.resolve())


@pytest.mark.parametrize(("asked", "tags"), [("owner/t5", ("main",)), ("owner/t5@v1.0", ("v1.0",))])
def test_a_hub_id_is_fetched_once_and_pinned_to_its_commit(flan: Path, local_hub: LocalHub, asked: str, tags: tuple[str, ...]) -> None:
    files = {path.name: path.read_bytes() for path in flan.iterdir()}
    commit = local_hub.add("owner/t5", {**files, "pytorch_model.bin": b"a pickle"}, tags)
    base = find_base(asked)
    assert (base.name, base.kind, base.reference) == ("owner/t5", T5, f"owner/t5@{commit}")
    assert {path.name for path in base.folder.iterdir()} == {*files, "index.json"}
    local_hub.asked.clear()
    assert find_base(asked) == base == find_base(base.reference)
    assert local_hub.asked == []


def test_a_base_that_is_not_here_while_offline_is_a_sentence(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match="owner/t5@v1 is not in the cache, and offline mode is on"):
        find_base("owner/t5@v1")
    assert local_hub.asked == []


def test_a_name_that_is_none_of_these_is_refused() -> None:
    with pytest.raises(BundleError, match="There is no base 'flan'"):
        find_base("flan")
