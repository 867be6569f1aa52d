"""The command `promptopt-lsp`: starts the language server."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from promptopt import __version__
from promptopt.settings import LOG_LEVELS

EPILOG = """\
examples:
  promptopt-lsp --stdio                  what an editor starts
  promptopt-lsp --tcp 127.0.0.1:2087     wait for one client on a socket
  promptopt-lsp --stdio --log-level info --log-file promptopt.log

An editor sends settings as initializationOptions, for instance {"adapter": "golden"}.
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    root = argparse.ArgumentParser(
        prog="promptopt-lsp",
        description='Language server of promptopt: the code action "Optimize prompt" on a selection.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"promptopt-lsp {__version__}")
    transport = root.add_mutually_exclusive_group()
    transport.add_argument("--stdio", action="store_true", help="speak on standard input and output (default)")
    transport.add_argument(
        "--tcp", type=_address, metavar="HOST:PORT", help="listen on a socket instead; the host must be a loopback address"
    )
    root.add_argument(
        "--log-level", choices=LOG_LEVELS, default="warning", help="what goes to standard error (default: %(default)s); never prompts"
    )
    root.add_argument("--log-file", type=Path, metavar="PATH", help="append the log to a file too; never prompts")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Starts the server and returns when its client has gone."""
    options = parser().parse_args(arguments)
    from promptopt.lsp.streams import claim_stdout

    stdout = None if options.tcp else claim_stdout()  # ahead of all other imports: some may print
    from promptopt.lsp.logs import start_logging
    from promptopt.lsp.one_client import serve_one_client
    from promptopt.lsp.server import create_server

    try:
        start_logging(options.log_level, options.log_file)
    except OSError as error:
        print(f"promptopt-lsp: cannot write the log to {options.log_file} ({error.strerror}). Name another file.", file=sys.stderr)
        return 2
    session = create_server()
    if stdout is not None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the library's reader thread would wait for the end of standard input
        session.server.start_io(stdout=stdout)
        return session.exit_status
    try:
        serve_one_client(session.server, *options.tcp)
    except OSError as error:
        print(f"promptopt-lsp: cannot listen on {options.tcp[0]}:{options.tcp[1]} ({error.strerror}).", file=sys.stderr)
        return 2
    return session.exit_status


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if host not in ("127.0.0.1", "localhost", "::1") or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError("HOST:PORT with a loopback host, for instance 127.0.0.1:2087")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
