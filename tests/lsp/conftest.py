"""Editors in conversation with the server, one of each for a whole test module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from conversation import Editor, capabilities_of, conversation
from pytest_lsp import client_capabilities

CLIENTS = {"neovim": "utf-8", "helix": "utf-8", "emacs": "utf-32", "visual-studio-code": "utf-16"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=CLIENTS)
async def editor(request: pytest.FixtureRequest) -> AsyncIterator[Editor]:
    async with conversation(capabilities_of(request.param), PROMPTOPT_FAKE_DELAY="0.03") as started:
        assert started.encoding == CLIENTS[request.param]
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def code() -> AsyncIterator[Editor]:
    async with conversation(client_capabilities("visual-studio-code"), PROMPTOPT_FAKE_DELAY="0.06") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def emacs() -> AsyncIterator[Editor]:
    async with conversation(client_capabilities("emacs"), PROMPTOPT_FAKE_DELAY="0.06") as started:
        yield started
