"""`promptopt doctor`: what is on this machine, and what to do about what is wrong."""

import argparse
import json

from promptopt.settings import Settings

PROBLEMS = 1


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    own = commands.add_parser("doctor", help="look at this installation", description="Says what is here, what works, and what to do.")
    own.add_argument("--json", action="store_true", help="print JSON")
    own.add_argument("--adapter", default=Settings().adapter, metavar="ADAPTER", help="the adapter to look at (default: %(default)s)")
    own.add_argument("--offline", action="store_true", help="open no socket: do not ask whether the Hub can be reached")
    own.set_defaults(run=doctor)


def doctor(options: argparse.Namespace) -> int:
    """`promptopt doctor`: 0 when nothing is wrong."""
    from promptopt.doctor import as_json, as_text, examine

    findings = examine(Settings(adapter=options.adapter, offline=options.offline))
    found = as_json(findings)
    print(json.dumps(found, ensure_ascii=False, indent=1) if options.json else as_text(findings))
    return 0 if found["ok"] else PROBLEMS
