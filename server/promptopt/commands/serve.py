"""`promptopt serve`: the optimizer over HTTP."""

import argparse
from dataclasses import fields
from typing import Any

from promptopt.commands.extras import needing
from promptopt.commands.options import add_command, add_model_options, model_settings
from promptopt.credentials import server_token
from promptopt.settings import ServerSettings

EPILOG = """\
examples:
  promptopt serve
  curl -s http://127.0.0.1:8000/optimize -H "Content-Type: application/json" -d '{"prompt": "create function"}'
  curl -sN http://127.0.0.1:8000/optimize/stream -H "Content-Type: application/json" -d '{"prompt": "create function"}'
  PROMPTOPT_TOKEN=... promptopt serve --host 0.0.0.0 --allowed_hosts prompts.example.org

GET /openapi.json describes the rest.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command; its options follow from the settings."""
    own = add_command(commands, "serve", "answer over HTTP", "Answers over HTTP, on this machine only unless told otherwise.", EPILOG)
    for option in fields(ServerSettings):
        names = dict.fromkeys([f"--{option.name}", f"--{option.name.replace('_', '-')}"])
        several = isinstance(option.default, tuple)
        own.add_argument(
            *names,
            dest=option.name,
            nargs="+" if several else None,
            type=str if several else type(option.default),
            default=option.default,
            metavar=option.metadata["metavar"],
            help=f"{option.metadata['help']} (default: {option.default})" if option.default else option.metadata["help"],
        )
    add_model_options(own)
    own.set_defaults(run=serve)


def serve(options: argparse.Namespace) -> int:
    """`promptopt serve`: 0 when it was told to stop. Raises InvalidInput."""
    values: dict[str, Any] = {}
    for option in fields(ServerSettings):
        value = getattr(options, option.name)
        values[option.name] = tuple(value) if isinstance(value, list) else value
    server = ServerSettings(**values)
    token = server_token(server.token_file)
    with needing("http"):
        from promptopt.http.run import serve as run
    return run(model_settings(options), server, token)
