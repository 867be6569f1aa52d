"""The commands, and edits that the server hands over."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from conversation import (
    DOCUMENT,
    PROMPT,
    REWRITE,
    Editor,
    action_for,
    applied,
    begun,
    changed,
    chosen,
    conversation,
    failure,
    kinds,
    opened,
)
from lsprotocol import types
from pytest_lsp import client_capabilities

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]


@pytest.mark.parametrize("data", [None, 7, "x", [], {"uri": "file:///x", "start": 0}, {"uri": "file:///x", "start": -1, "text": "x"}])
async def test_data_that_is_not_ours_is_refused(code: Editor, data: object) -> None:
    message = "These arguments do not come from promptopt's own code action."
    resolved = await failure(asyncio.ensure_future(chosen(code, types.CodeAction("Other", data=data))))
    assert (resolved.code, resolved.message) == (-32602, message)
    command = types.Command("Other", "promptopt.optimize", arguments=[data])
    run = await failure(asyncio.ensure_future(chosen(code, types.CodeAction("Other", command=command))))
    assert (run.code, run.message) == (-32602, message)


@pytest.mark.parametrize("arguments", [None, [], [{}, {}]])
async def test_a_command_without_its_argument_is_refused(emacs: Editor, arguments: list[object] | None) -> None:
    command = types.Command("Optimize prompt", "promptopt.optimize", arguments=arguments)
    error = await failure(asyncio.ensure_future(chosen(emacs, types.CodeAction("", command=command))))
    assert error.code == -32602


async def test_a_command_of_somebody_else_is_refused(emacs: Editor) -> None:
    action = await action_for(emacs, opened(emacs))
    assert action.command is not None
    command = types.Command("", "other.command", arguments=action.command.arguments)
    error = await failure(asyncio.ensure_future(chosen(emacs, types.CodeAction("", command=command))))
    assert error.code == -32602
    assert "\n" not in error.message
    assert emacs.edits == []


async def test_the_doctor_returns_what_its_command_prints_and_has_looked_at_the_settings_in_use() -> None:
    async with conversation(client_capabilities("neovim"), {"threads": 3}, HF_HUB_OFFLINE="1", PROMPTOPT_FAKE_ADAPTERS="1") as asked:
        found = await asked.client.workspace_execute_command_async(types.ExecuteCommandParams("promptopt.doctor"))
    findings = {finding["name"]: finding for finding in found["findings"]}
    assert found["ok"] == (not any(finding["problem"] for finding in findings.values()))
    names = ["promptopt", "packages", "adapter", "base", "engine", "rewrite", "threads", "memory", "cache", "Hub"]
    assert (list(found), list(findings)) == (["ok", "findings"], names)
    assert findings["engine"] == {"name": "engine", "value": "fake", "problem": "", "hint": ""}
    assert findings["threads"]["value"].startswith("3, ")
    assert findings["Hub"]["value"] == "offline mode is on; no socket is opened"


@pytest.mark.parametrize(("reason", "shown"), [("the buffer is read-only", "the buffer is read-only"), (None, "the editor gave no reason")])
async def test_a_refused_edit_is_shown(emacs: Editor, reason: str | None, shown: str) -> None:
    action = await action_for(emacs, opened(emacs))
    emacs.apply_answer, accepted = types.ApplyWorkspaceEditResult(applied=False, failure_reason=reason), emacs.apply_answer
    emacs.client.messages.clear()
    await chosen(emacs, action)
    emacs.apply_answer = accepted
    assert emacs.client.messages == [types.ShowMessageParams(types.MessageType.Warning, f"The rewrite was not applied: {shown}.")]


def typing(editor: Editor, uri: str, text: Callable[[int], str], refused: int) -> None:
    """Has the client refuse the first edits, each because its user has typed: the document is `text(n)` by its nth answer."""

    def type_on() -> None:
        count = len(editor.edits)
        if count <= refused:
            changed(editor, uri, text(count), version=1 + count)
        reason = None if count > refused else "the document has changed meanwhile"
        editor.apply_answer = types.ApplyWorkspaceEditResult(applied=reason is None, failure_reason=reason)

    editor.edits.clear()
    editor.client.messages.clear()
    editor.before_answer = type_on


async def run(editor: Editor, action: types.CodeAction) -> None:
    assert action.command is not None
    params = types.ExecuteCommandParams(action.command.command, action.command.arguments)
    await editor.client.protocol.send_request_async(types.WORKSPACE_EXECUTE_COMMAND, params)


@pytest.fixture
def asked(emacs: Editor) -> Iterator[Editor]:
    """The client, which takes edits again afterwards."""
    accepted = emacs.apply_answer
    yield emacs
    emacs.apply_answer, emacs.before_answer = accepted, lambda: None
    emacs.edits.clear()


@pytest.mark.parametrize("refused", [1, 3])
async def test_who_types_on_gets_the_rewrite_where_the_selection_stands_by_then(asked: Editor, refused: int) -> None:
    uri = opened(asked)
    action = await action_for(asked, uri)
    typing(asked, uri, lambda count: "typed\r\n" * count + DOCUMENT, refused)
    await run(asked, action)
    edits = asked.edits
    versions = [change.text_document.version for edit in edits for change in edit.document_changes or ()]  # type: ignore[union-attr]
    assert versions == list(range(1, refused + 2))
    now = "typed\r\n" * refused + DOCUMENT
    assert applied(now, edits[-1], asked.encoding) == now.replace(PROMPT, REWRITE)
    assert asked.client.messages == []


async def test_who_never_stops_typing_is_told_so_after_four_edits(asked: Editor) -> None:
    uri = opened(asked)
    action = await action_for(asked, uri)
    typing(asked, uri, lambda count: "typed\r\n" * count + DOCUMENT, refused=10)
    await run(asked, action)
    assert len(asked.edits) == 4
    message = "The rewrite was not applied: the document has changed meanwhile."
    assert asked.client.messages == [types.ShowMessageParams(types.MessageType.Warning, message)]


async def test_who_types_within_the_selection_keeps_what_is_typed(asked: Editor) -> None:
    uri = opened(asked)
    action = await action_for(asked, uri)
    typing(asked, uri, lambda _: DOCUMENT.replace(PROMPT, "create a function"), refused=10)
    error = await failure(asyncio.ensure_future(run(asked, action)))
    message = "The selected text has changed meanwhile; nothing was replaced. Select it and try again."
    assert (error.code, error.message, len(asked.edits)) == (-32801, message, 1)


async def test_an_accepted_edit_is_not_talked_about(emacs: Editor) -> None:
    emacs.client.messages.clear()
    await chosen(emacs, await action_for(emacs, opened(emacs)))
    assert emacs.client.messages == []


async def test_the_progress_that_a_client_brings_is_used_and_can_be_cancelled(emacs: Editor) -> None:
    action = await action_for(emacs, opened(emacs))
    emacs.client.progress_reports["own 1"] = []
    task, token = await begun(emacs, action, token="own 1")
    await task
    assert token == "own 1"
    assert (kinds(emacs, token)[0], kinds(emacs, token)[-1]) == ("begin", "end")
    emacs.client.progress_reports["own 2"] = []
    task, token = await begun(emacs, action, token="own 2")
    emacs.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    assert (await failure(task)).code == -32802
    assert emacs.edits == []
