"""Options that several commands have: which model, on what."""

import argparse

from promptopt.settings import ENGINES, Settings, parse_settings


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    """A command with its line in the list, its description, and below its options an epilog that keeps its lines."""
    return commands.add_parser(
        name, help=summary, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_adapter_options(command: argparse.ArgumentParser) -> None:
    """Adds the options that say which adapter, and whether it may be fetched."""
    command.add_argument(
        "--adapter_path", "--adapter-path", "--adapter", dest="adapter", default=Settings().adapter, metavar="ADAPTER",
        help="built-in adapter, adapter folder, or owner/name on the Hub (default: %(default)s)",
    )  # fmt: skip
    command.add_argument("--offline", action="store_true", help="open no socket: what is not on this machine is missing")


def add_model_options(command: argparse.ArgumentParser) -> None:
    """Adds the options that `model_settings` reads."""
    add_adapter_options(command)
    command.add_argument(
        "--engine",
        choices=ENGINES,
        default=Settings().engine,
        help="what runs the network; reference needs the extra torch, remote a --remote_url (default: %(default)s)",
    )
    command.add_argument(
        "--remote_url", "--remote-url", dest="remote_url", type=_server_url, default=Settings().remote_url, metavar="URL",
        help="the server that the engine remote asks, like http://prompts.example.org:8000; its token is taken from PROMPTOPT_TOKEN",
    )  # fmt: skip
    command.add_argument("--threads", type=_threads, default=Settings().threads, metavar="N", help="processor threads; 0 chooses (default)")


def model_settings(options: argparse.Namespace) -> Settings:
    """The settings that these options make."""
    names = ("adapter", "engine", "remote_url", "threads", "offline")
    return Settings(**{name: getattr(options, name) for name in names})


def _server_url(text: str) -> str:
    if parse_settings({"remoteUrl": text})[1]:
        raise argparse.ArgumentTypeError("http://HOST:PORT or https://HOST")
    return text


def _threads(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if parse_settings({"threads": number})[1]:
        raise argparse.ArgumentTypeError("between 0 and 256")
    return number
