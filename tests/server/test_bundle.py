"""What an adapter is on disk, and what is said when it is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import manifest, mini_codec

from promptopt import bundle
from promptopt.bundle import (
    BASE_FILES,
    MANIFEST,
    PEFT_FILES,
    Calibration,
    Manifest,
    base_folder,
    builtin_adapters,
    manifest_of,
    open_bundle,
    read_json,
    user_folder,
)
from promptopt.codec import PlainCodec
from promptopt.errors import BundleError


def make_base(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in BASE_FILES:
        (folder / name).write_bytes(b"")
    return folder


def make_adapter(folder: Path, base: str) -> Path:
    folder.mkdir(parents=True)
    for name in PEFT_FILES:
        (folder / name).write_bytes(b"")
    manifest(base=base).write(folder)
    return folder


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of built-in models: the base `mini` and the adapters `golden` and `concise`."""
    folder = tmp_path / "models"
    make_base(folder / "mini")
    make_adapter(folder / "golden", "mini")
    make_adapter(folder / "concise", "mini")
    monkeypatch.setattr(bundle, "builtin_folder", lambda: folder)
    return folder


def written(folder: Path, **changes: Any) -> Path:
    """A manifest whose JSON is changed; None takes a key away."""
    manifest().write(folder)
    data = {**json.loads((folder / "promptopt.json").read_text()), **changes}
    (folder / "promptopt.json").write_text(json.dumps({key: value for key, value in data.items() if value != "absent"}))
    return folder


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    made = manifest(
        base="a/b",
        base_sha256="00ff",
        style="prose ☺",
        prefix=("<rewrite>", "<style:prose>"),
        read_limit=9,
        write_limit=8,
        temperature=0.5,
        calibration=Calibration(2.5, -0.25),
        data_sha256="ab",
        metrics={"exact": 0.75},
        extra_ids=100,
    )
    made.write(tmp_path)
    assert Manifest.read(tmp_path) == made


def test_a_manifest_without_calibration_comes_back(tmp_path: Path) -> None:
    made = manifest(calibration=None)
    made.write(tmp_path)
    assert Manifest.read(tmp_path) == made


def test_a_manifest_is_json_with_its_format_first(tmp_path: Path) -> None:
    manifest(style="é").write(tmp_path)
    text = (tmp_path / "promptopt.json").read_text(encoding="utf-8")
    assert text.startswith('{\n "format": 1,\n "base": "promptopt-mini"')
    assert text.endswith("}\n")
    assert '"style": "é"' in text


def test_what_may_be_left_out_has_its_default(tmp_path: Path) -> None:
    folder = written(tmp_path, calibration="absent", data_sha256="absent", metrics="absent", extra_ids="absent")
    assert Manifest.read(folder) == manifest(calibration=None)


@pytest.mark.parametrize(("found", "shown"), [(2, "2"), ("absent", "None"), ("1", "1")])
def test_another_format_asks_for_an_upgrade(tmp_path: Path, found: Any, shown: str) -> None:
    with pytest.raises(BundleError) as caught:
        Manifest.read(written(tmp_path, format=found))
    assert str(caught.value) == f"{tmp_path} has manifest format {shown}; this version reads format 1. Upgrade promptopt."


@pytest.mark.parametrize(
    "changes",
    [
        {"base": "absent"},
        {"codec": "absent"},
        {"prefix": "absent"},
        {"prefix": 3},
        {"calibration": {"slope": 1}},
        {"calibration": [1, 2]},
        {"colour": "red"},
    ],
)
def test_a_malformed_manifest_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(BundleError) as caught:
        Manifest.read(written(tmp_path, **changes))
    assert caught.value.message.startswith(f"{tmp_path / 'promptopt.json'} is malformed (")


@pytest.mark.parametrize("codec", [{}, "words", None, 3, []])
def test_a_malformed_codec_table_is_refused(tmp_path: Path, codec: Any) -> None:
    with pytest.raises(BundleError, match="codec table of the adapter is malformed"):
        Manifest.read(written(tmp_path, codec=codec))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"a": 1,}'])
def test_a_file_that_is_no_json_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(BundleError) as caught:
        read_json(tmp_path / "x.json")
    assert caught.value.message.startswith(f"{tmp_path / 'x.json'} cannot be read (")


@pytest.mark.parametrize("content", ["[]", "3", "null", '"a"'])
def test_json_that_is_no_object_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(BundleError) as caught:
        read_json(tmp_path / "x.json")
    assert caught.value.message == f"{tmp_path / 'x.json'} does not hold a JSON object."


def test_a_json_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"é": [1, null]}', encoding="utf-8")
    assert read_json(tmp_path / "x.json") == {"é": [1, None]}


def test_the_built_in_adapters_are_the_folders_with_a_manifest(models: Path) -> None:
    assert builtin_adapters() == ["concise", "golden"]


def test_a_bundle_is_an_adapter_and_its_base(models: Path) -> None:
    found = open_bundle("golden", models / "golden", models / "mini")
    assert (found.name, found.adapter, found.base) == ("golden", (models / "golden").resolve(), (models / "mini").resolve())
    assert found.manifest == manifest(base="mini")


def test_a_home_folder_may_be_abbreviated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = make_adapter(tmp_path / "mine", "mini")
    assert (user_folder("~/mine"), user_folder("~/yours")) == (folder, None)


def test_a_base_may_be_a_folder(models: Path, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    assert base_folder(str(base)) == base.resolve()


def test_an_unknown_base_is_named(models: Path) -> None:
    with pytest.raises(BundleError) as caught:
        base_folder("t6")
    assert caught.value.message == "There is no base 't6'."


@pytest.mark.parametrize("missing", [*([name] for name in PEFT_FILES), list(PEFT_FILES)])
def test_the_files_that_an_adapter_lacks_are_named(models: Path, tmp_path: Path, missing: list[str]) -> None:
    folder = make_adapter(tmp_path / "mine", "mini")
    for name in missing:
        (folder / name).unlink()
    with pytest.raises(BundleError) as caught:
        open_bundle("mine", folder, models / "mini")
    assert caught.value.message == f"{folder} lacks {', '.join(missing)}."


@pytest.mark.parametrize("missing", [*([name] for name in BASE_FILES), list(BASE_FILES)])
def test_the_files_that_a_base_lacks_are_named(models: Path, missing: list[str]) -> None:
    for name in missing:
        (models / "mini" / name).unlink()
    with pytest.raises(BundleError) as caught:
        open_bundle("golden", models / "golden", models / "mini")
    assert caught.value.message == f"{models / 'mini'} lacks {', '.join(missing)}."


def real(tmp_path: Path, **changes: Any) -> bundle.Bundle:
    return bundle.Bundle("mine", tmp_path, base_folder("promptopt-mini", ("spiece.model",)), manifest(**changes))


def plain_adapter(folder: Path, config: str) -> Path:
    make_adapter(folder, "mini")
    (folder / MANIFEST).unlink()
    (folder / "adapter_config.json").write_text(config)
    return folder


def test_an_adapter_without_a_manifest_is_taken_for_one_that_points_at_nothing(tmp_path: Path) -> None:
    folder = plain_adapter(tmp_path / "theirs", '{"base_model_name_or_path": "mini", "peft_type": "IA3"}')
    assert manifest_of(folder) == Manifest(
        base="mini", base_sha256="", style="plain", prefix=(), codec=None, read_limit=512, write_limit=512, temperature=0.7
    )


@pytest.mark.parametrize("config", ["{}", '{"base_model_name_or_path": null}', '{"base_model_name_or_path": ""}'])
def test_an_adapter_that_names_no_base_is_refused(tmp_path: Path, config: str) -> None:
    with pytest.raises(BundleError, match="does not name its base"):
        manifest_of(plain_adapter(tmp_path / "theirs", config))


def test_a_bundle_without_a_table_has_the_codec_of_plain_text(tmp_path: Path) -> None:
    assert isinstance(real(tmp_path, codec=None).codec(), PlainCodec)


def test_a_bundle_gives_its_codec(tmp_path: Path) -> None:
    codec, expected = real(tmp_path).codec(), mini_codec()
    assert codec.encode_prompt("fix the bug", 99) == expected.encode_prompt("fix the bug", 99)
    assert (codec.table, codec.prefix, len(codec.vocabulary)) == (expected.table, expected.prefix, 20_736)


def test_the_codec_has_the_sentinels_that_the_manifest_says(tmp_path: Path) -> None:
    codec = real(tmp_path, extra_ids=100, prefix=("<extra_id_0>",)).codec()
    assert (codec.prefix, len(codec.vocabulary)) == ((20_835,), 20_836)


def test_a_prefix_that_the_vocabulary_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no piece '<extra_id_0>'"):
        real(tmp_path, prefix=("<extra_id_0>",)).codec()


@pytest.mark.parametrize(("name", "value"), [("read_limit", "512"), ("write_limit", None), ("base", 7), ("extra_ids", "x")])
def test_a_manifest_with_a_value_of_another_type_is_refused(tmp_path: Path, name: str, value: object) -> None:
    manifest().write(tmp_path)
    data = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps({**data, name: value}))
    with pytest.raises(BundleError, match=f"{name} should be of type"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "x" * 5000, "a\0b"])
def test_a_name_that_can_be_no_folder_is_none(name: str) -> None:
    assert user_folder(name) is None
