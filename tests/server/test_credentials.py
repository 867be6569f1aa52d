"""Where the token for a server comes from."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from promptopt.credentials import token_for
from promptopt.errors import InvalidInput


class KeyringError(Exception):
    """As in the package keyring."""


class NoKeyringError(KeyringError):
    """As in the package keyring."""


def keyring(monkeypatch: pytest.MonkeyPatch, get_password: object) -> None:
    """Puts a package keyring in place."""
    package, errors = ModuleType("keyring"), SimpleNamespace(KeyringError=KeyringError, NoKeyringError=NoKeyringError)
    package.get_password = get_password  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)


def test_the_token_comes_from_the_environment_before_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring(monkeypatch, lambda service, server: f"{service} for {server}".replace(" ", "-"))
    monkeypatch.setenv("PROMPTOPT_TOKEN", "secret")
    assert token_for("a.b:8000") == "secret"
    monkeypatch.delenv("PROMPTOPT_TOKEN")
    assert token_for("a.b:8000") == "promptopt-for-a.b:8000"


def test_without_a_keyring_there_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMPTOPT_TOKEN", raising=False)
    keyring(monkeypatch, lambda service, server: None)
    assert token_for("a.b") == ""

    def none(service: str, server: str) -> str:
        raise NoKeyringError

    keyring(monkeypatch, none)
    assert token_for("a.b") == ""
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert token_for("a.b") == ""


def test_a_keyring_that_stays_locked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(service: str, server: str) -> str:
        raise KeyringError("it is locked")

    keyring(monkeypatch, locked)
    monkeypatch.delenv("PROMPTOPT_TOKEN", raising=False)
    with pytest.raises(InvalidInput, match=r"does not give the token for a\.b \(it is locked\)\. Unlock it, or set PROMPTOPT_TOKEN"):
        token_for("a.b")
