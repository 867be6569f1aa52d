"""What a session takes over from its client's first message, and what it does beside the rewrites."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import fake_optimizer, fake_rewrite
from lsprotocol import types
from pygls.lsp.server import LanguageServer

from promptopt.adapters import hub
from promptopt.lsp.server import Session
from promptopt.settings import Settings

OWN = logging.getLogger("promptopt")


@pytest.fixture(autouse=True)
def started_at_debug() -> Iterator[None]:
    """The command line asked for debug."""
    before = OWN.level
    OWN.setLevel("DEBUG")
    yield
    OWN.setLevel(before)


def configured(options: Any) -> tuple[Session, list[str]]:
    session = Session(LanguageServer("test", "0"), lambda settings: fake_optimizer())
    problems = session.configure(types.InitializeParams(capabilities=types.ClientCapabilities(), initialization_options=options))
    OWN.setLevel(session.configuration.general.log_level.upper())
    return session, problems


@pytest.mark.parametrize("options", [None, {}, {"threads": 2}, {"logLevel": None}, {"logLevel": "loud"}])
def test_the_level_of_the_command_line_stays_where_the_client_names_none(options: Any) -> None:
    session, _ = configured(options)
    assert (OWN.level, session.configuration.general.log_level) == (logging.DEBUG, "debug")


@pytest.mark.parametrize(("named", "level"), [("warning", logging.WARNING), ("error", logging.ERROR), ("info", logging.INFO)])
def test_the_level_that_the_client_names_is_taken(named: str, level: int) -> None:
    session, problems = configured({"logLevel": named})
    assert (OWN.level, session.configuration.general.log_level, problems) == (level, named, [])


async def test_a_hub_that_does_not_answer_holds_up_no_rewrite(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = threading.Event(), threading.Event()

    def reachable() -> str:
        asked.set()
        return "" if answered.wait(60) else "the rewrite waited for the Hub"

    monkeypatch.setattr(hub, "reachable", reachable)
    session, _ = configured(None)
    doctor = asyncio.ensure_future(session.examine())
    await asyncio.to_thread(asked.wait)
    place, stop = ("file:///a", 0), threading.Event()
    rewrite = await session.jobs.run(place, Settings(), lambda optimizer, *_: optimizer.optimize("make"), stop, lambda _: None)
    answered.set()
    findings = {finding["name"]: finding for finding in (await doctor)["findings"]}
    assert rewrite.text == fake_rewrite("make")
    assert findings["Hub"] == {"name": "Hub", "value": "reachable", "problem": "", "hint": ""}
    assert list(findings)[-1] == "Hub"
