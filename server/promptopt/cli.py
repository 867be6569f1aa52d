"""The command `promptopt`: one-shot use in a shell. Standard output carries the result and nothing else."""

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from promptopt import __version__
from promptopt.commands import adapters, compile, doctor, mcp, serve
from promptopt.commands.options import add_command, add_model_options, model_settings
from promptopt.errors import Cancelled, InvalidInput, PromptoptError
from promptopt.files import read_text

EPILOG = """\
examples:
  promptopt optimize "create function"
  git log -1 --format=%B | promptopt optimize
  promptopt optimize --file prompt.txt --json
  promptopt optimize -n 3 "plan a workshop on testing"
  promptopt optimize --batch in.jsonl --output out.jsonl
  promptopt optimize --adapter_path ./checkpoints/lora_model/final_adapter --prompt "create function"
  promptopt optimize --engine remote --remote_url http://prompts.example.org:8000 "create function"

exit status:
  0    done
  1    the server of the engine remote does not answer or refuses, or memory is short
  2    the prompt, a file or an option is not usable
  3    a model is missing or damaged
  4    the network wrote nothing acceptable (in a batch: for at least one row)
  130  cancelled
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    root = argparse.ArgumentParser(prog="promptopt", description="Turns a vague prompt into a structured one, on this machine.")
    root.add_argument("--version", action="version", version=f"promptopt {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    description = "Rewrites a prompt given as an argument, in a file, or on standard input."
    optimize = add_command(commands, "optimize", "rewrite a prompt", description, EPILOG)
    source = optimize.add_mutually_exclusive_group()
    source.add_argument("text", nargs="?", metavar="TEXT", help="the prompt")
    source.add_argument("--prompt", metavar="TEXT", help="the prompt, as an option")
    source.add_argument("--file", type=Path, metavar="PATH", help="read the prompt from a file")
    source.add_argument("--batch", type=Path, metavar="IN.jsonl", help='rewrite every row {"text": …} of a file; needs --output')
    optimize.add_argument(
        "--output", type=Path, metavar="OUT.jsonl", help="where the rows of --batch go; rows already there are not done again"
    )
    optimize.add_argument("-n", "--variants", type=_positive, default=1, metavar="N", help="print N different rewrites, the surest first")
    optimize.add_argument("--json", action="store_true", help="print JSON: optimized_prompt, confidence, tokens, seconds")
    add_model_options(optimize)
    optimize.set_defaults(run=run_optimize)
    adapters.add(commands)
    compile.add(commands)
    doctor.add(commands)
    serve.add(commands)
    mcp.add(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status; failures are one line on standard error."""
    options = parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except PromptoptError as error:
        print(f"promptopt: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("promptopt: cancelled.", file=sys.stderr)
        return Cancelled.exit_status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        what = f"{error.filename} could not be used" if error.filename else "the result could not be written"
        print(f"promptopt: {what} ({error.strerror}).", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return InvalidInput.exit_status


def run_optimize(options: argparse.Namespace) -> int:
    """`promptopt optimize`."""
    from promptopt.adapters.bar import bytes_bar
    from promptopt.optimizer import Optimizer

    if options.output and not options.batch:
        raise InvalidInput("--output belongs to --batch.", "Without it the result goes to standard output.")
    optimizer = Optimizer(model_settings(options))
    if options.batch:
        from promptopt.batch import rewrite_file

        if options.json or options.variants > 1:
            raise InvalidInput("--json and -n do not go with --batch.", "The rows of --batch are JSON already, one rewrite each.")
        if not options.output:
            raise InvalidInput("--batch needs --output.", "Say where the rewrites go: --output OUT.jsonl")
        return rewrite_file(optimizer, options.batch, options.output)
    prompt = read_prompt(options)
    with bytes_bar() as report:
        optimizer.fetch(report)
    rewrites = optimizer.variants(prompt, options.variants) if options.variants > 1 else [optimizer.optimize(prompt)]
    if options.json:
        rows = [rewrite.as_json() for rewrite in rewrites]
        print(json.dumps(rows[0] if options.variants == 1 else rows, ensure_ascii=False, indent=1))
    else:
        print("\n\n---\n\n".join(rewrite.text for rewrite in rewrites))
    return 0


def read_prompt(options: argparse.Namespace) -> str:
    """The prompt from wherever it was given, without the white space around it. Raises InvalidInput."""
    text = options.text if options.text is not None else options.prompt
    if text is not None:
        return _unicode(str(text)).strip()
    if options.file:
        return read_text(options.file).strip()
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidInput("There is no prompt.", 'Give one: promptopt optimize "create function"')
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"Standard input is not UTF-8 (byte {error.start}).", "Convert it first, for instance with iconv.") from error


def _unicode(argument: str) -> str:
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"The prompt is not UTF-8 (character {error.start}).", "Check the encoding of the terminal.") from error
    return argument


def _positive(text: str) -> int:
    from promptopt.optimizer import MOST_VARIANTS

    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST_VARIANTS:
        raise argparse.ArgumentTypeError(f"between 1 and {MOST_VARIANTS}")
    return number
