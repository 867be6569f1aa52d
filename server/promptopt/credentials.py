"""The token between a server and its clients: where it is kept, and what it may be."""

import os
from pathlib import Path

from promptopt.errors import InvalidInput
from promptopt.files import read_text

VARIABLE = "PROMPTOPT_TOKEN"
SERVICE = "promptopt"


def usable(token: str) -> str:
    """`token`. Raises InvalidInput for one that no header can carry."""
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise InvalidInput("The token has characters that a header cannot carry.", "Use letters, digits and ASCII signs.")
    return token


def server_token(file: str) -> str:
    """What a server asks its clients for: the text of `file`, without one PROMPTOPT_TOKEN; empty when there is neither.

    Raises InvalidInput for a file that cannot be read or is empty, and for a token that no header can carry.
    """
    token = read_text(Path(file)).strip() if file else os.environ.get(VARIABLE, "")
    if file and not token:
        raise InvalidInput(f"{file} is empty.", "Write the token into it.")
    return usable(token)


def token_for(server: str) -> str:
    """What to send to `server` (host, or host:port): PROMPTOPT_TOKEN, else what the keyring has for it; empty when there is neither.

    Raises InvalidInput when that cannot be had or used.
    """
    return usable(os.environ.get(VARIABLE, "") or _kept_for(server))


def _kept_for(server: str) -> str:
    """The password of the service promptopt for the user `server`; empty where the package keyring is not installed or has none."""
    try:
        from keyring import get_password
        from keyring.errors import KeyringError, NoKeyringError
    except ModuleNotFoundError:
        return ""
    try:
        return get_password(SERVICE, server) or ""
    except NoKeyringError:
        return ""
    except KeyringError as error:
        raise InvalidInput(f"The keyring does not give the token for {server} ({error}).", f"Unlock it, or set {VARIABLE}.") from error
