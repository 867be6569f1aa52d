"""The command `promptopt-lsp`: starts the language server."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence

from promptopt import __version__
from promptopt.settings import LOG_LEVELS

EPILOG = """\
examples:
  promptopt-lsp --stdio                  what an editor starts
  promptopt-lsp --tcp 127.0.0.1:2087     wait for one client on a socket
  promptopt-lsp --stdio --log-level info

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
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Starts the server and returns when its client has gone."""
    options = parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    if options.tcp:
        from promptopt.lsp.server import create_server

        try:
            create_server().start_tcp(*options.tcp)
        except OSError as error:
            print(f"promptopt-lsp: cannot listen on {options.tcp[0]}:{options.tcp[1]} ({error.strerror}).", file=sys.stderr)
            return 2
        return 0
    from promptopt.lsp.streams import claim_stdout

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the library's reader thread would wait for the end of standard input
    stdout = claim_stdout()
    from promptopt.lsp.server import create_server

    create_server().start_io(stdout=stdout)
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if host not in ("127.0.0.1", "localhost", "::1") or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError("HOST:PORT with a loopback host, for instance 127.0.0.1:2087")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
