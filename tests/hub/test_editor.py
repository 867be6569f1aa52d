"""An editor whose adapter is on the Hub: its user sees bytes, can stop them, and is told what is wrong."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from hub.conftest import ADAPTER, BASE
from hub.local_hub import Fault, LocalHub
from lsp.test_protocol import DOCUMENT, PROMPT, REWRITE, Editor, action_for, applied, begun, chosen, conversation, failure, offered, opened
from lsprotocol import types
from processes import FAKE, Message, answer_to, asked, ended, initialized, send, started
from pytest_lsp import client_capabilities

from promptopt.adapters.access import Fetched
from promptopt.adapters.cache import Cache
from promptopt.lsp.jobs import message_of

MODEL = "adapter_model.safetensors"
PATIENCE = 100.0


@pytest_asyncio.fixture
async def editor(local_hub: LocalHub, tmp_path: Path) -> AsyncIterator[Editor]:
    async with conversation(client_capabilities("neovim"), {"adapter": ADAPTER}, **environment(local_hub, tmp_path)) as talking:
        yield talking


def environment(hub: LocalHub, home: Path) -> dict[str, str]:
    """Where a server finds the Hub, and keeps what it fetches."""
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf"), "XDG_CACHE_HOME": str(home / "cache")}


def messages(editor: Editor, token: types.ProgressToken) -> list[str]:
    return [str(report.message) for report in editor.client.progress_reports[token][1:-1]]  # type: ignore[attr-defined]


def test_bytes_are_told_in_megabytes() -> None:
    assert message_of(Fetched("a/b", 1_540_000, 990_000_000)) == "fetching a/b: 1.5 of 990.0 MB"


async def test_bytes_are_shown_and_then_the_rewrite_comes(editor: Editor, local_hub: LocalHub, cache: Cache) -> None:
    local_hub.faults = [Fault(MODEL, slow=0.03)]
    task, token = await begun(editor, await action_for(editor, opened(editor)))
    edit = await asyncio.wait_for(task, PATIENCE)
    shown = [message for message in messages(editor, token) if message.startswith("fetching")]
    assert len(shown) > 2
    assert [message for message in shown if not re.fullmatch(r"fetching ada/(golden|mini): 0\.[01] of 0\.1 MB", message)] == []
    assert {folder.parent.name for folder in cache.folders()} == {"golden", "mini"}
    assert applied(DOCUMENT, edit or editor.edits[-1], "utf-8") == DOCUMENT.replace(PROMPT, REWRITE)
    local_hub.asked.clear()
    await chosen(editor, await action_for(editor, opened(editor)))
    assert local_hub.asked == []


async def test_the_user_can_stop_it(editor: Editor, local_hub: LocalHub, cache: Cache) -> None:
    local_hub.faults = [Fault(MODEL, slow=0.5)]
    task, token = await begun(editor, await action_for(editor, opened(editor)))
    while not local_hub.gets(MODEL):
        await asyncio.sleep(0.02)
    editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    error = await failure(task)
    assert (error.code, error.message) == (-32802, "Fetching ada/golden was cancelled.")
    assert cache.folders() == []


async def test_a_rewrite_with_an_adapter_that_is_loaded_does_not_wait_for_it(editor: Editor, local_hub: LocalHub, cache: Cache) -> None:
    async def as_golden() -> types.WorkspaceEdit:
        actions = {action.title: action for action in await offered(editor, opened(editor))}
        return await asyncio.wait_for(chosen(editor, actions["Optimize prompt as golden"]), PATIENCE)

    first = await as_golden()
    local_hub.faults = [Fault(MODEL, slow=0.5)]
    task, token = await begun(editor, await action_for(editor, opened(editor)))
    while not local_hub.gets(MODEL):
        await asyncio.sleep(0.02)
    second = await as_golden()
    assert not task.done()
    assert [applied(DOCUMENT, edit, "utf-8") for edit in (first, second)] == [DOCUMENT.replace(PROMPT, REWRITE)] * 2
    editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    assert (await failure(task)).code == -32802
    assert cache.folders() == []


async def test_what_is_wrong_is_told(editor: Editor, local_hub: LocalHub) -> None:
    local_hub.repositories.pop(BASE)
    error = await failure(asyncio.ensure_future(chosen(editor, await action_for(editor, opened(editor)))))
    assert error.code == -32803
    assert error.message.startswith("ada/mini is not in the cache. There is no ada/mini on the Hub.")


def test_standard_output_is_framed_while_it_downloads_and_when_that_fails(local_hub: LocalHub, cache: Cache, tmp_path: Path) -> None:
    local_hub.faults = [Fault(MODEL, slow=0.01)]
    seen: list[Message] = []
    with started([*FAKE, "--stdio"], **environment(local_hub, tmp_path), HF_DEBUG="1", PYTHONWARNINGS="always") as process:
        initialized(process, options={"adapter": ADAPTER}, workDoneProgress=True)
        asked(process, 2)
        assert answer_to(process, 2, seen)["result"] is None
        settings = {"promptopt": {"adapter": "ada/nothing"}}
        send(process, method="workspace/didChangeConfiguration", params={"settings": settings})
        asked(process, 3)
        assert answer_to(process, 3, seen)["error"]["code"] == -32803
        status, _, rest = ended(process, 4)
    assert (status, rest) == (0, [])
    assert {folder.parent.name for folder in cache.folders()} == {"golden", "mini"}
    shown = [message["params"]["value"].get("message", "") for message in seen if message.get("method") == "$/progress"]
    assert [message for message in shown if message.startswith("fetching ada/golden: ")]
