"""The command `promptopt`: what it reads, what it prints, what it returns."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from fakes import FakeEngine, fake_rewrite, manifest, mini_codec

import promptopt
from promptopt.cli import main
from promptopt.codec import END
from promptopt.engine.loader import Model
from promptopt.errors import BundleError, Cancelled, RewriteFailed
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

CODEC = mini_codec()
HEAVY = ("numpy", "torch", "transformers", "peft", "sentencepiece", "huggingface_hub", "pygls", "safetensors", "tqdm")


class Terminal(io.StringIO):
    """Standard input with nobody piping into it."""

    def isatty(self) -> bool:
        return True


def use(monkeypatch: pytest.MonkeyPatch, ids: Sequence[int] | None = None) -> list[Settings]:
    """Puts the fake engine in; returns the settings of each load."""
    loaded: list[Settings] = []

    def loader(settings: Settings) -> Model:
        loaded.append(settings)
        return Model(manifest(), CODEC, FakeEngine(CODEC, ids=ids))

    monkeypatch.setattr("promptopt.optimizer.Optimizer", lambda settings: Optimizer(settings, loader))
    return loaded


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def loader(settings: Settings) -> NoReturn:
        raise error

    monkeypatch.setattr("promptopt.optimizer.Optimizer", lambda settings: Optimizer(settings, loader))


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))


def run_python(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "arguments", [["create function"], ["--prompt", "create function"], ["  create function\n"], ["--prompt=create function"]]
)
def test_a_prompt_on_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    use(monkeypatch)
    assert main(["optimize", *arguments]) == 0
    assert capsys.readouterr() == (fake_rewrite("create function") + "\n", "")


def test_a_prompt_that_looks_like_an_option(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    use(monkeypatch)
    assert main(["optimize", "--", "--explain -v"]) == 0
    assert capsys.readouterr().out == fake_rewrite("--explain -v") + "\n"


def test_a_prompt_from_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    use(monkeypatch)
    pipe(monkeypatch, "\n créer une fonction 😀\r\nvite \n".encode())
    assert main(["optimize"]) == 0
    assert capsys.readouterr() == (fake_rewrite("créer une fonction 😀\r\nvite") + "\n", "")


def test_a_prompt_from_a_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    use(monkeypatch)
    (tmp_path / "prompt.txt").write_text("\ncréer\nune fonction\n", encoding="utf-8")
    assert main(["optimize", "--file", str(tmp_path / "prompt.txt")]) == 0
    assert capsys.readouterr() == (fake_rewrite("créer\nune fonction") + "\n", "")


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    use(monkeypatch)
    assert main(["optimize", "--json", "créer"]) == 0
    out = capsys.readouterr().out
    row = json.loads(out)
    assert list(row) == ["optimized_prompt", "confidence", "tokens", "seconds"]
    assert row["optimized_prompt"] == fake_rewrite("créer")
    assert row["confidence"] == pytest.approx(0.47502081252106)  # sigmoid(-0.1)
    assert row["tokens"] == len([*CODEC.encode_rewrite("créer", fake_rewrite("créer"))])
    assert "créer" in out


def variants_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes each draw write its seed."""

    class Seeded(FakeEngine):
        def stream(self, source, decoding, stop):  # type: ignore[no-untyped-def]
            self._ids = [*CODEC.plain(f"{decoding.seed}"), CODEC.prompt, END]
            self._log_prob = -0.1 * (decoding.seed + 1)
            return super().stream(source, decoding, stop)

    monkeypatch.setattr(
        "promptopt.optimizer.Optimizer", lambda settings: Optimizer(settings, lambda given: Model(manifest(), CODEC, Seeded(CODEC)))
    )


@pytest.mark.parametrize("option", ["-n", "--variants"])
def test_variants_are_set_apart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str) -> None:
    variants_of(monkeypatch)
    assert main(["optimize", option, "3", "fix it"]) == 0
    assert capsys.readouterr().out == "0 fix it\n\n---\n\n1 fix it\n\n---\n\n2 fix it\n"


def test_variants_in_json_are_a_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    variants_of(monkeypatch)
    assert main(["optimize", "-n", "2", "--json", "fix it"]) == 0
    assert [row["optimized_prompt"] for row in json.loads(capsys.readouterr().out)] == ["0 fix it", "1 fix it"]


def test_a_batch_goes_to_its_output_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    use(monkeypatch)
    (tmp_path / "in.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    assert main(["optimize", "--batch", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl")]) == 0
    rows = [json.loads(line)["optimized_prompt"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows == [fake_rewrite("one"), fake_rewrite("two")]
    assert capsys.readouterr().out == ""


def test_a_batch_with_a_failed_row_returns_4(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    use(monkeypatch)
    (tmp_path / "in.jsonl").write_text('{"text": "one"}\n{"text": ""}\n')
    assert main(["optimize", "--batch", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl")]) == 4
    assert "1 of 2 prompts were not rewritten" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--adapter_path", "--adapter-path", "--adapter"])
def test_the_adapter_the_engine_and_the_threads_are_passed_on(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    loaded = use(monkeypatch)
    assert main(["optimize", option, "./checkpoints/final_adapter", "--engine", "reference", "--threads", "3", "--prompt", "go"]) == 0
    assert loaded == [Settings(adapter="./checkpoints/final_adapter", engine="reference", threads=3)]


def test_without_options_the_defaults_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = use(monkeypatch)
    main(["optimize", "create function"])
    assert loaded == [Settings()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "The prompt is empty."),
        (["   "], "The prompt is empty."),
        (["--prompt", ""], "The prompt is empty."),
        (["x" * 100_001], "The prompt has 100,001 characters; 100,000 are allowed."),
        (["caf\udce9"], "The prompt is not UTF-8 (character 3)."),
        (["--file", "/nowhere/prompt.txt"], "/nowhere/prompt.txt cannot be read (No such file or directory)."),
        (["--batch", "in.jsonl"], "--batch needs --output."),
        (["--output", "out.jsonl", "create function"], "--output belongs to --batch."),
        (["--batch", "/nowhere/in.jsonl", "--output", "out.jsonl"], "/nowhere/in.jsonl cannot be read (No such file or directory)."),
    ],
)
def test_unusable_input_returns_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    loaded = use(monkeypatch)
    assert main(["optimize", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, loaded) == ("", [])
    assert err.startswith(f"promptopt: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["optimise"],
        ["optimize", "a", "b"],
        ["optimize", "a", "--prompt", "b"],
        ["optimize", "a", "--file", "b"],
        ["optimize", "--prompt", "a", "--batch", "b"],
        ["optimize", "--nope", "a"],
        ["optimize", "-n", "0", "a"],
        ["optimize", "-n", "21", "a"],
        ["optimize", "-n", "x", "a"],
        ["optimize", "--threads", "x", "a"],
        ["optimize", "--engine", "gpu", "a"],
        ["optimize", "--threads", "-1", "a"],
        ["optimize", "--threads", "257", "a"],
    ],
)
def test_unusable_options_return_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    loaded = use(monkeypatch)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    assert (caught.value.code, out, loaded) == (2, "", [])
    assert err.startswith("usage: promptopt")


@pytest.mark.parametrize(
    ("option", "sentence"), [("-n", "argument -n/--variants: between 1 and 20"), ("--threads", "argument --threads: between 0 and 256")]
)
@pytest.mark.parametrize("value", ["x", "", "2.5", "99999", "9" * 5000])
def test_a_number_that_is_none_or_too_large_is_answered_with_its_bounds(
    capsys: pytest.CaptureFixture[str], option: str, sentence: str, value: str
) -> None:
    with pytest.raises(SystemExit):
        main(["optimize", option, value, "a"])
    assert capsys.readouterr().err.splitlines()[-1] == f"promptopt optimize: error: {sentence}"


def test_a_pipe_that_is_not_utf8_returns_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    use(monkeypatch)
    pipe(monkeypatch, b"caf\xe9 now")
    assert main(["optimize"]) == 2
    assert capsys.readouterr() == ("", "promptopt: Standard input is not UTF-8 (byte 3). Convert it first, for instance with iconv.\n")


def test_an_empty_pipe_returns_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    use(monkeypatch)
    pipe(monkeypatch, b"\n")
    assert main(["optimize"]) == 2
    assert capsys.readouterr().err.startswith("promptopt: The prompt is empty.")


@pytest.mark.parametrize("stdin", [Terminal(), None])
def test_without_any_prompt_it_does_not_wait(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stdin: Terminal | None
) -> None:
    use(monkeypatch)
    monkeypatch.setattr("sys.stdin", stdin)
    assert main(["optimize"]) == 2
    assert capsys.readouterr() == ("", 'promptopt: There is no prompt. Give one: promptopt optimize "create function"\n')


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (BundleError("It is damaged.", "Fetch it."), 3, "promptopt: It is damaged. Fetch it.\n"),
        (RewriteFailed("Nothing came."), 4, "promptopt: Nothing came.\n"),
        (Cancelled("Stopped."), 130, "promptopt: Stopped.\n"),
        (KeyboardInterrupt(), 130, "promptopt: cancelled.\n"),
    ],
)
def test_each_failure_is_one_line_and_has_its_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, line: str
) -> None:
    fail_with(monkeypatch, error)
    assert main(["optimize", "create function"]) == status
    assert capsys.readouterr() == ("", line)


def test_an_adapter_that_is_not_there_returns_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimize", "--adapter", "/nowhere/adapter", "create function"]) == 3
    out, err = capsys.readouterr()
    assert (out, err.split(" Give ")[0]) == ("", "promptopt: There is no adapter '/nowhere/adapter'.")


@pytest.mark.parametrize("options", [[], ["--json"], ["-n", "2"]])
def test_an_unacceptable_output_returns_4_and_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    use(monkeypatch, ids=[END])
    assert main(["optimize", *options, "create function"]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("promptopt: The network wrote 0 pointers to the prompt instead of one.")


def test_the_help_lists_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["optimize", "--help"])
    listed = capsys.readouterr().out.split("exit status:\n")[1]
    assert caught.value.code == 0
    assert [line.split()[0] for line in listed.splitlines() if line.strip()] == ["0", "1", "2", "3", "4", "130"]


def test_the_version_is_printed_without_anything_heavy() -> None:
    code = f"""
import sys
from promptopt.cli import main
try:
    main(["--version"])
except SystemExit as stop:
    print(stop.code, [name for name in {HEAVY} if name in sys.modules])
"""
    done = run_python(code)
    assert (done.stdout, done.stderr) == (f"promptopt {promptopt.__version__}\n0 []\n", "")


def test_the_module_is_the_command() -> None:
    done = run_python("import runpy, sys; sys.argv = ['promptopt', 'optimize', '']; runpy.run_module('promptopt', run_name='__main__')")
    assert (done.returncode, done.stdout, done.stderr.split(".")[0]) == (2, "", "promptopt: The prompt is empty")


def test_a_reader_that_goes_away_is_no_failure() -> None:
    code = """
import os, sys
import promptopt.optimizer as home
from fakes import fake_model
from promptopt.cli import main
plain = home.Optimizer
home.Optimizer = lambda settings: plain(settings, lambda given: fake_model())
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 1)
sys.exit(main(["optimize", "create function"]))
"""
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_variants_and_json_do_not_go_with_a_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "one"}\n')
    for extra in (["-n", "3"], ["--json"]):
        assert main(["optimize", "--batch", str(source), "--output", str(tmp_path / "out.jsonl"), *extra]) == 2
        assert "do not go with --batch" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()
