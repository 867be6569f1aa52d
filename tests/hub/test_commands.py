"""`promptopt adapters`: what it prints, what it returns, and that it opens no socket where it need not."""

import io
import json
from pathlib import Path

import pytest
from hub.conftest import ADAPTER, BASE, WEIGHTS
from hub.local_hub import LocalHub

from promptopt.adapters.access import Fetched
from promptopt.adapters.bar import bytes_bar
from promptopt.adapters.cache import Cache
from promptopt.bundle import builtin_folder
from promptopt.cli import main

MODEL = "adapter_model.safetensors"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def pulled(local_hub: LocalHub, capsys: Captured) -> Path:
    """The adapter's folder, after `promptopt adapters pull`."""
    assert main(["adapters", "pull", ADAPTER]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    local_hub.asked.clear()
    return Path(printed.out.strip())


def base(cache: Cache) -> Path:
    return next(folder for folder in cache.folders() if folder.parent.name == "mini")


def test_pull_fetches_the_base_too_and_prints_the_folder(pulled: Path, cache: Cache) -> None:
    assert (pulled / MODEL).read_bytes() == WEIGHTS
    assert (base(cache) / "spiece.model").read_bytes() == b"pieces"


def test_pull_takes_a_base_by_itself(local_hub: LocalHub, cache: Cache, capsys: Captured) -> None:
    assert main(["adapters", "pull", BASE]) == 0
    assert capsys.readouterr().out == f"{base(cache)}\n"


def test_pull_does_not_fetch_where_the_network_is_forbidden(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["adapters", "pull", ADAPTER]) == 2
    assert capsys.readouterr().err == "promptopt: HF_HUB_OFFLINE is set, so nothing can be fetched. Unset it and run the command again.\n"
    assert local_hub.asked == []


def test_list_shows_what_is_built_in_and_what_was_fetched(local_hub: LocalHub, pulled: Path, capsys: Captured) -> None:
    assert main(["adapters", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], row[1], row[4:]) for row in rows] == [
        *((style, "adapter", ["built", "in"]) for style in ("concise", "golden", "markdown", "xml")),
        ("promptopt-mini", "base", ["built", "in"]),
        ("ada/golden", "adapter", [pulled.name[:12], "main"]),
        ("ada/mini", "base", [rows[6][4], "main"]),
    ]
    assert local_hub.asked == []


def test_list_as_json(local_hub: LocalHub, pulled: Path, capsys: Captured) -> None:
    assert main(["adapters", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} == {"concise", "golden", "markdown", "xml", "promptopt-mini", ADAPTER, BASE}
    row = next(row for row in rows if row["name"] == ADAPTER)
    size = sum(path.stat().st_size for path in pulled.rglob("*") if path.is_file() and path.name != "index.json")
    assert row == {
        "name": ADAPTER,
        "kind": "adapter",
        "source": local_hub.url,
        "size": size,
        "commit": pulled.name,
        "revisions": ["main"],
        "folder": str(pulled),
    }


def test_path_prints_the_folder(local_hub: LocalHub, pulled: Path, cache: Cache, capsys: Captured) -> None:
    for name, folder in (
        (ADAPTER, pulled),
        (f"{ADAPTER}@{pulled.name}", pulled),
        (BASE, base(cache)),
        ("golden", builtin_folder() / "golden"),
    ):
        assert main(["adapters", "path", name]) == 0
        assert capsys.readouterr().out == f"{folder}\n"
    assert main(["adapters", "path", "promptopt-mini"]) == 0
    assert local_hub.asked == []


def test_path_of_what_is_not_here_says_what_to_do(local_hub: LocalHub, capsys: Captured) -> None:
    assert main(["adapters", "path", "a/b"]) == 3
    assert capsys.readouterr().err.endswith("With a network, run: promptopt adapters pull a/b\n")
    assert local_hub.asked == []


def test_remove_deletes_the_folder_and_what_was_left_beside_it(pulled: Path, cache: Cache, capsys: Captured) -> None:
    cache.partial(ADAPTER, "0" * 40).mkdir()
    assert main(["adapters", "remove", ADAPTER]) == 0
    assert capsys.readouterr().out == f"{pulled}\n"
    assert list(pulled.parent.iterdir()) == []
    assert cache.folders() == [base(cache)]


def test_remove_deletes_what_was_compiled_from_it(pulled: Path, cache: Cache, capsys: Captured) -> None:
    home = cache.home.parent / "compiled"
    for name, adapter in (("one", pulled), ("two", pulled.with_name("0" * 40)), ("three", Path("/elsewhere"))):
        (home / name).mkdir(parents=True)
        (home / name / "model.bin").write_bytes(b"x")
        (home / name / "source.json").write_text(json.dumps({"adapter": str(adapter), "base": str(base(cache))}))
    assert main(["adapters", "remove", ADAPTER]) == 0
    assert capsys.readouterr().out == f"{pulled}\n{home / 'one'}\n"
    assert sorted(path.name for path in home.iterdir()) == ["three", "two"]
    assert main(["adapters", "remove", BASE]) == 0
    assert list(home.iterdir()) == []


def test_remove_of_one_revision_keeps_the_others(local_hub: LocalHub, pulled: Path, cache: Cache, capsys: Captured) -> None:
    repository = local_hub.find(ADAPTER, "main")
    assert repository is not None
    local_hub.add(ADAPTER, {**repository.files, MODEL: b"other"}, ("v2",))
    assert main(["adapters", "pull", f"{ADAPTER}@v2"]) == 0
    assert main(["adapters", "remove", f"{ADAPTER}@v2"]) == 0
    assert pulled in cache.folders()
    assert len(cache.folders()) == 2


def test_remove_of_what_is_not_here_is_an_error(capsys: Captured) -> None:
    assert main(["adapters", "remove", "a/b"]) == 2
    assert capsys.readouterr().err == "promptopt: a/b is not in the cache. See what is: promptopt adapters list\n"


@pytest.mark.parametrize("action", ["pull", "remove", "verify"])
def test_a_name_that_is_none_is_an_error(action: str, capsys: Captured) -> None:
    assert main(["adapters", action, "golden"]) == 2
    expected = "promptopt: 'golden' is no name on the Hub. Names are owner/name or owner/name@revision.\n"
    assert capsys.readouterr().err == expected


def test_verify_says_what_is_whole(local_hub: LocalHub, pulled: Path, cache: Cache, capsys: Captured) -> None:
    assert main(["adapters", "verify"]) == 0
    assert capsys.readouterr().out == f"ada/golden@{pulled.name}  whole\nada/mini@{base(cache).name}  whole\n"
    assert local_hub.asked == []


def test_verify_names_what_is_damaged_and_pull_mends_it(pulled: Path, cache: Cache, capsys: Captured) -> None:
    (pulled / MODEL).write_bytes(WEIGHTS[::-1])
    (base(cache) / "index.json").unlink()
    assert main(["adapters", "verify", ADAPTER]) == 3
    printed = capsys.readouterr()
    assert printed.out == f"ada/golden@{pulled.name}  {MODEL}: another content\n"
    hint = f"Fetch what is damaged again: promptopt adapters pull ada/golden@{pulled.name}"
    assert printed.err == f"promptopt: 1 in the cache damaged. {hint}\n"
    assert main(["adapters", "verify"]) == 3
    assert f"ada/mini@{base(cache).name}  index.json: missing or malformed\n" in capsys.readouterr().out
    assert main(["adapters", "pull", f"{ADAPTER}@{pulled.name}"]) == 0
    assert main(["adapters", "verify"]) == 0


@pytest.mark.parametrize("action", ["verify", "remove"])
@pytest.mark.parametrize("name", ["ada/gilded", "ada/golden@v9"])
def test_what_is_not_in_the_cache_is_said(pulled: Path, capsys: Captured, action: str, name: str) -> None:
    assert main(["adapters", action, name]) == 2
    assert capsys.readouterr().err == f"promptopt: {name} is not in the cache. See what is: promptopt adapters list\n"
    assert pulled.is_dir()


def test_verify_without_a_revision_names_what_has_lost_its_index(pulled: Path, capsys: Captured) -> None:
    (pulled / "index.json").unlink()
    assert main(["adapters", "verify", ADAPTER]) == 3
    assert capsys.readouterr().out == f"ada/golden@{pulled.name}  index.json: missing or malformed\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bytes_are_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        with bytes_bar() as report:
            report(Fetched("a/b", 0, 2048))
            report(Fetched("a/b", 2048, 2048))
        assert ("a/b: 100%" in stream.getvalue() and "2.00k/2.00k" in stream.getvalue()) is shown
