"""Whole conversations with the server, as three real editors hold them."""

import asyncio
from collections.abc import Mapping

import pytest
from conversation import (
    DOCUMENT,
    PATIENCE,
    PROMPT,
    REWRITE,
    Editor,
    action_for,
    applied,
    begun,
    chosen,
    conversation,
    failure,
    offered,
    opened,
    range_of,
)
from lsprotocol import types
from pytest_lsp import client_capabilities

from promptopt import __version__

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]


async def test_initialize_tells_what_the_server_can_do(editor: Editor) -> None:
    capabilities = editor.answer.capabilities
    assert editor.answer.server_info == types.ServerInfo("promptopt", __version__)
    assert isinstance(capabilities.code_action_provider, types.CodeActionOptions)
    assert list(capabilities.code_action_provider.code_action_kinds or ()) == [types.CodeActionKind.RefactorRewrite]
    assert capabilities.code_action_provider.resolve_provider is True
    assert capabilities.execute_command_provider is not None
    commands = [f"promptopt.{name}" for name in ("optimize", "preview", "variants", "doctor")]
    assert list(capabilities.execute_command_provider.commands) == commands
    assert isinstance(capabilities.text_document_sync, types.TextDocumentSyncOptions)
    assert capabilities.text_document_sync.change == types.TextDocumentSyncKind.Full


async def test_the_rewrite_takes_the_place_of_the_selection_and_of_nothing_else(editor: Editor) -> None:
    uri = opened(editor)
    action = await action_for(editor, uri)
    assert (action.title, action.kind) == ("Optimize prompt", types.CodeActionKind.RefactorRewrite)
    edit = await chosen(editor, action)
    head, tail = DOCUMENT.split(PROMPT)
    assert applied(DOCUMENT, edit, editor.encoding).encode() == (head + REWRITE + tail).encode()


async def test_the_edit_has_the_shape_that_the_client_declared(editor: Editor) -> None:
    uri = opened(editor)
    edit = await chosen(editor, await action_for(editor, uri))
    change = types.TextEdit(range_of(DOCUMENT, PROMPT, editor.encoding), REWRITE)
    if not editor.versioned:
        assert edit.document_changes is None
        assert {name: list(changes) for name, changes in (edit.changes or {}).items()} == {uri: [change]}
    else:
        assert edit.changes is None
        (document_change,) = edit.document_changes or ()
        assert isinstance(document_change, types.TextDocumentEdit)
        assert document_change.text_document == types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=1)
        assert list(document_change.edits) == [change]


async def test_an_action_is_lazy_or_a_command_as_the_client_declared(editor: Editor) -> None:
    action = await action_for(editor, opened(editor))
    assert action.edit is None
    assert (action.command is None) == (editor.encoding != "utf-32")
    assert (action.data is None) == (editor.encoding == "utf-32")


async def test_a_document_that_is_not_open_gets_no_action(editor: Editor) -> None:
    assert await offered(editor, "file:///notes/never%20opened.md") == []


async def test_an_empty_selection_gets_no_action(editor: Editor) -> None:
    assert await offered(editor, opened(editor), types.Range(types.Position(1, 9), types.Position(1, 9))) == []


async def test_progress_begins_reports_and_ends(editor: Editor) -> None:
    action = await action_for(editor, opened(editor))
    task, token = await begun(editor, action)
    await asyncio.wait_for(task, PATIENCE)
    begin, *reports, end = editor.client.progress_reports[token]
    assert begin == types.WorkDoneProgressBegin(title="Optimize prompt", cancellable=True)
    assert end == types.WorkDoneProgressEnd()
    counts = [int(report.message.removesuffix(" pieces")) for report in reports]  # type: ignore[attr-defined]
    assert counts == sorted(set(counts))
    assert counts[0] >= 1
    assert {report.kind for report in reports} == {"report"}  # type: ignore[attr-defined]


async def test_a_client_without_progress_gets_none() -> None:
    capabilities = client_capabilities("visual-studio-code")
    assert capabilities.window is not None
    capabilities.window.work_done_progress = False
    async with conversation(capabilities) as editor:
        edit = await chosen(editor, await action_for(editor, opened(editor)))
        assert applied(DOCUMENT, edit, "utf-16") == DOCUMENT.replace(PROMPT, REWRITE)
        assert editor.client.progress_reports == {}


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        (
            {"threads": "many", "adpater": "golden", "logLevel": None},
            [
                "promptopt.threads should be of type int, not 'many'; 0 is used.",
                "promptopt.adpater is no setting; known are adapter, engine, idleUnloadSeconds, logLevel, offline, remoteUrl, threads.",
            ],
        ),
        (["golden"], ["The promptopt settings should be an object, not ['golden']; they are ignored."]),
    ],
)
async def test_wrong_options_are_shown_and_replaced_by_the_defaults(options: Mapping[str, object] | list[str], problems: list[str]) -> None:
    async with conversation(client_capabilities("neovim"), options) as editor:
        edit = await chosen(editor, await action_for(editor, opened(editor)))
        assert applied(DOCUMENT, edit, "utf-8") == DOCUMENT.replace(PROMPT, REWRITE)
        assert editor.client.messages == [types.ShowMessageParams(types.MessageType.Warning, problem) for problem in problems]


async def test_a_rewrite_that_fails_says_why_in_one_line() -> None:
    async with conversation(client_capabilities("emacs"), PROMPTOPT_FAKE_BROKEN="1") as editor:
        action = await action_for(editor, opened(editor))
        error = await failure(asyncio.ensure_future(chosen(editor, action)))
        assert error.code == -32803
        assert error.message.startswith("The network ")
        assert "\n" not in error.message
        assert error.data is None
        assert editor.edits == []
