"""`promptopt doctor`: what is on this machine, and what to do about what is wrong."""

import argparse
import json

from promptopt.commands.options import add_model_options, model_settings

PROBLEMS = 1


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    own = commands.add_parser("doctor", help="look at this installation", description="Says what is here, what works, and what to do.")
    own.add_argument("--json", action="store_true", help="print JSON")
    add_model_options(own)
    own.set_defaults(run=doctor)


def doctor(options: argparse.Namespace) -> int:
    """`promptopt doctor`: 0 when nothing is wrong."""
    from promptopt.doctor import as_json, as_text, examine

    findings = examine(model_settings(options))
    found = as_json(findings)
    print(json.dumps(found, ensure_ascii=False, indent=1) if options.json else as_text(findings))
    return 0 if found["ok"] else PROBLEMS
