"""The command `promptopt-train`: every option is a flag in both spellings and reaches its dataclass; failures are one line."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from promptopt import __version__
from promptopt.errors import BundleError, Cancelled, InvalidInput, PromptoptError, RewriteFailed
from promptopt_training import cli
from promptopt_training.options import DataOptions, EvaluateOptions, LoraOptions, PretrainOptions, VocabularyOptions

KINDS: dict[str, type[Any]] = {
    "data": DataOptions,
    "vocabulary": VocabularyOptions,
    "pretrain": PretrainOptions,
    "lora": LoraOptions,
    "evaluate": EvaluateOptions,
}
NEEDED = {
    "data": [],
    "vocabulary": ["--data_path", "p.jsonl", "--output", "s.model"],
    "pretrain": ["--data_path", "p.jsonl", "--vocabulary", "s.model", "--output_dir", "o", "--max_steps", "9"],
    "lora": [],
    "evaluate": ["--prompts", "p.jsonl"],
}


def reached(monkeypatch: pytest.MonkeyPatch, name: str, *flags: str) -> Any:
    """The options that the command is run with."""
    found: list[Any] = []
    monkeypatch.setitem(cli.COMMANDS, name, (found.append, KINDS[name]))
    assert cli.main([name, *NEEDED[name], *flags]) == 0
    return found[0]


def help_of(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_the_commands_are_those_with_options() -> None:
    assert {name: kind for name, (_, kind) in cli.COMMANDS.items()} == KINDS


@pytest.mark.parametrize("name", KINDS)
def test_every_field_has_a_help_text_and_no_text_is_left_over(name: str) -> None:
    assert list(KINDS[name].HELP) == [field.name for field in fields(KINDS[name])]
    assert [text for text in KINDS[name].HELP.values() if not text.endswith((".", "…"))] == []


@pytest.mark.parametrize("name", KINDS)
def test_the_help_of_a_command_lists_every_field_in_both_spellings_with_its_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = " ".join(help_of(name, capsys).split())
    for field in fields(KINDS[name]):
        assert f"--{field.name}" in shown
        assert f"--{field.name.replace('_', '-')}" in shown
        assert " ".join(KINDS[name].HELP[field.name].split()) in shown


def test_the_help_tells_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    shown = " ".join(help_of("lora", capsys).split())
    assert "Times through the pairs. (default: 5)" in shown
    assert "Projections that get an update. (default: q v)" in shown
    assert "(default: checkpoints/lora_model)" in shown


def test_the_help_of_the_whole_lists_the_commands_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert "lora --data_path data/lora_training_data.json --num_epochs 5 --learning_rate 1e-3 --batch_size 8" in shown
    for run, _ in cli.COMMANDS.values():
        assert str(run.__doc__) in shown


@pytest.mark.parametrize("name", KINDS)
def test_without_flags_the_options_are_the_defaults_of_the_dataclass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = reached(monkeypatch, name)
    for field in fields(KINDS[name]):
        if field.default is not MISSING:
            assert getattr(options, field.name) == field.default, field.name


@pytest.mark.parametrize("spelling", ["_", "-"])
def test_the_flags_of_lora_reach_its_options(spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = (
        "--data_path d.json --base b --output_dir o --num_epochs 2 --learning_rate 1e-4 --batch_size 16 --rank 4 "
        "--lora_alpha 8 --target_modules q k v --style mine --validation_share 0.2 --seed 7"
    ).split()
    given = [flag.replace("_", spelling) if flag.startswith("--") else flag for flag in flags]
    assert reached(monkeypatch, "lora", *given) == LoraOptions(
        data_path=Path("d.json"),
        base="b",
        output_dir=Path("o"),
        num_epochs=2,
        learning_rate=1e-4,
        batch_size=16,
        rank=4,
        lora_alpha=8,
        target_modules=("q", "k", "v"),
        style="mine",
        validation_share=0.2,
        seed=7,
    )


def test_the_flags_of_data_reach_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = "--size 9 --seed 3 --style xml --output x.jsonl --base b --inputs i.jsonl".split()
    expected = DataOptions(size=9, seed=3, style="xml", output=Path("x.jsonl"), base="b", inputs=Path("i.jsonl"))
    assert reached(monkeypatch, "data", *flags) == expected


def test_the_flags_of_vocabulary_reach_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = VocabularyOptions(data_path=Path("p.jsonl"), output=Path("s.model"), size=99, pairs=5)
    assert reached(monkeypatch, "vocabulary", "--size", "99", "--pairs", "5") == expected


def test_the_flags_of_pretrain_reach_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = "--batch-tokens 50 --learning-rate 0.1 --save-steps 3 --d-model 64 --encoder-layers 4 --decoder-layers 1 --seed 2".split()
    assert reached(monkeypatch, "pretrain", *flags) == PretrainOptions(
        data_path=Path("p.jsonl"),
        vocabulary=Path("s.model"),
        output_dir=Path("o"),
        max_steps=9,
        batch_tokens=50,
        learning_rate=0.1,
        save_steps=3,
        d_model=64,
        encoder_layers=4,
        decoder_layers=1,
        seed=2,
    )


def test_the_flags_of_evaluate_reach_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = "--adapter mine --report r --limit 4".split()
    expected = EvaluateOptions(prompts=Path("p.jsonl"), adapter="mine", report=Path("r"), limit=4)
    assert reached(monkeypatch, "evaluate", *flags) == expected


def failing(error: BaseException) -> Callable[[Any], None]:
    def run(options: Any) -> None:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "status"),
    [(PromptoptError("It broke."), 1), (InvalidInput("Bad.", "Mend it."), 2), (BundleError("Gone."), 3), (RewriteFailed("No."), 4)],
)
def test_a_failure_is_one_line_on_standard_error_with_its_status(
    error: PromptoptError, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "data", (failing(error), DataOptions))
    assert cli.main(["data"]) == status
    assert capsys.readouterr() == ("", f"promptopt-train: {error}\n")


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(cli.COMMANDS, "lora", (failing(KeyboardInterrupt()), LoraOptions))
    assert cli.main(["lora"]) == Cancelled.exit_status == 130
    assert capsys.readouterr().err == "promptopt-train: stopped; give the same command again to go on from the last checkpoint.\n"


def test_data_are_written_by_the_command_and_only_standard_error_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.json"
    assert cli.main(["data", "--size", "12", "--output", str(path)]) == 0
    assert path.read_text(encoding="utf-8").count('"prompt"') == 12
    assert capsys.readouterr() == ("", f"12 pairs in {path}: {{'golden': 12}}\n")


def test_a_bad_style_on_the_command_line_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "--style", "haiku", "--output", str(tmp_path / "pairs.json")]) == 2
    assert capsys.readouterr().err.startswith("promptopt-train: There is no form 'haiku'. Known are golden, ")


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["bake"], "invalid choice: 'bake'"),
        (["data", "--sise", "4"], "unrecognized arguments: --sise 4"),
        (["data", "--size", "many"], "invalid int value: 'many'"),
        (["pretrain", "--data_path", "p"], "the following arguments are required: --vocabulary, --output_dir/--output-dir"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2_and_the_reason(flags: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(flags)
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert reason in output.err
    assert output.out == ""


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"promptopt-train {__version__}\n"


def test_help_needs_neither_torch_nor_yaml() -> None:
    code = (
        "import sys; from promptopt_training.cli import parser; parser().format_help(); print(sorted({'torch', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
