"""Whole conversations with the server, as three real editors hold them."""

import asyncio
import itertools
import os
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

import pytest
import pytest_asyncio
from fakes import fake_rewrite
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import default_converter
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities
from pytest_lsp.client import register_lsp_features

from promptopt import __version__

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]

ROOT = Path(__file__).parents[2]
SERVER = [sys.executable, str(Path(__file__).with_name("fake_server.py")), "--stdio"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("server", "training", "tests"))}
CLIENTS = {"neovim": "utf-8", "emacs": "utf-32", "visual-studio-code": "utf-16"}
CODECS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
PROMPT = "create function"
DOCUMENT = f'first\u2028line\f\r\né😀 say "{PROMPT}" 😀 to it\r\nlast'
REWRITE = fake_rewrite(PROMPT).replace("\n", "\r\n")  # the line ends of the document
PATIENCE = 15.0
NUMBERS = itertools.count()


@dataclass
class Editor:
    """A client in conversation with the server, and what its user would see."""

    client: LanguageClient
    answer: types.InitializeResult
    encoding: str
    edits: list[types.WorkspaceEdit] = field(default_factory=list)
    apply_answer: types.ApplyWorkspaceEditResult = field(default_factory=lambda: types.ApplyWorkspaceEditResult(applied=True))


def new_client() -> LanguageClient:
    """pytest-lsp's client, but for code actions with a command: lsprotocol takes these for commands."""

    def action(data: Mapping[str, object], _: object) -> types.Command | types.CodeAction:
        kind = types.Command if isinstance(data.get("command"), str) else types.CodeAction
        return converter.structure(data, kind)  # type: ignore[return-value]

    converter = default_converter()
    converter.register_structure_hook(Union[types.Command, types.CodeAction], action)  # noqa: UP007
    client = LanguageClient(converter_factory=lambda: converter)
    register_lsp_features(client)
    return client


@asynccontextmanager
async def conversation(capabilities: types.ClientCapabilities, options: object = None, **environment: str) -> AsyncIterator[Editor]:
    """An initialized server on `capabilities`, shut down afterwards."""
    client: LanguageClient = await ClientServerConfig(SERVER, new_client, {**ENVIRONMENT, **environment}).start()  # type: ignore[assignment]
    editor = Editor(client, None, "")  # type: ignore[arg-type]

    @client.feature(types.WORKSPACE_APPLY_EDIT)
    def apply(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        editor.edits.append(params.edit)
        return editor.apply_answer

    editor.answer = await client.initialize_session(
        types.InitializeParams(capabilities=capabilities, root_uri="file:///notes", initialization_options=options)
    )
    editor.encoding = str(types.PositionEncodingKind(editor.answer.capabilities.position_encoding).value)
    yield editor
    await client.shutdown_session()
    await client.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=CLIENTS)
async def editor(request: pytest.FixtureRequest) -> AsyncIterator[Editor]:
    async with conversation(client_capabilities(request.param), PROMPTOPT_FAKE_DELAY="0.03") as started:
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


def opened(editor: Editor, text: str = DOCUMENT) -> str:
    """The address of a new open document."""
    uri = f"file:///notes/my%20n%C3%B6te%20{next(NUMBERS)}.md"
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "markdown", 1, text)))
    return uri


def changed(editor: Editor, uri: str, text: str) -> None:
    document = types.VersionedTextDocumentIdentifier(uri=uri, version=2)
    change = types.TextDocumentContentChangeWholeDocument(text)
    editor.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))


def lines_of(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def range_of(text: str, phrase: str, encoding: str) -> types.Range:
    """Where `phrase` stands in its line, in the units of `encoding`."""
    codec, unit = CODECS[encoding]
    number, line = next((number, line) for number, line in enumerate(lines_of(text)) if phrase in line)
    start = len(line[: line.index(phrase)].encode(codec)) // unit
    return types.Range(types.Position(number, start), types.Position(number, start + len(phrase.encode(codec)) // unit))


def applied(text: str, edit: types.WorkspaceEdit, encoding: str) -> str:
    """`text` after the only change of `edit`."""
    codec, unit = CODECS[encoding]
    if edit.document_changes:
        ((change,),) = [document.edits for document in edit.document_changes if isinstance(document, types.TextDocumentEdit)]
    else:
        ((change,),) = (edit.changes or {}).values()

    def offset(position: types.Position) -> int:
        line_starts = [0, *(number + 1 for number, character in enumerate(text) if character == "\n")]
        start = line_starts[position.line]
        return start + len(text[start:].encode(codec)[: position.character * unit].decode(codec))

    return text[: offset(change.range.start)] + change.new_text + text[offset(change.range.end) :]


async def offered(editor: Editor, uri: str, selection: types.Range | None = None) -> list[types.CodeAction]:
    """The actions for a selection: the prompt of DOCUMENT unless told."""
    context = types.CodeActionContext(diagnostics=[], only=[types.CodeActionKind.RefactorRewrite])
    selection = selection or range_of(DOCUMENT, PROMPT, editor.encoding)
    params = types.CodeActionParams(types.TextDocumentIdentifier(uri), selection, context)
    return list(await editor.client.text_document_code_action_async(params) or ())  # type: ignore[arg-type]


async def action_for(editor: Editor, uri: str) -> types.CodeAction:
    (action,) = await offered(editor, uri)
    return action


async def chosen(editor: Editor, action: types.CodeAction, request_id: str | None = None, token: str | None = None) -> types.WorkspaceEdit:
    """The edit for an action: resolved, or run as a command and handed over by the server."""
    send = editor.client.protocol.send_request_async
    if action.command is None:
        return (await send(types.CODE_ACTION_RESOLVE, action, msg_id=request_id)).edit
    params = types.ExecuteCommandParams(action.command.command, action.command.arguments, work_done_token=token)
    await send(types.WORKSPACE_EXECUTE_COMMAND, params, msg_id=request_id)
    return editor.edits.pop()


async def begun(
    editor: Editor, action: types.CodeAction, request_id: str | None = None, token: str | None = None
) -> tuple[asyncio.Task[types.WorkspaceEdit], types.ProgressToken]:
    """A rewrite under way, and the token of its progress."""
    task = asyncio.ensure_future(chosen(editor, action, request_id, token))
    progress = asyncio.ensure_future(editor.client.wait_for_notification(types.PROGRESS))
    await asyncio.wait({task, progress}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    assert not task.done(), await task
    return task, progress.result().token


async def failure(task: asyncio.Task[types.WorkspaceEdit]) -> JsonRpcException:
    with pytest.raises(JsonRpcException) as caught:
        await asyncio.wait_for(task, PATIENCE)
    return caught.value


def kinds(editor: Editor, token: types.ProgressToken) -> list[str]:
    return [report.kind for report in editor.client.progress_reports[token]]  # type: ignore[attr-defined]


async def test_initialize_tells_what_the_server_can_do(editor: Editor) -> None:
    capabilities = editor.answer.capabilities
    assert editor.answer.server_info == types.ServerInfo("promptopt", __version__)
    assert isinstance(capabilities.code_action_provider, types.CodeActionOptions)
    assert list(capabilities.code_action_provider.code_action_kinds or ()) == [types.CodeActionKind.RefactorRewrite]
    assert capabilities.code_action_provider.resolve_provider is True
    assert capabilities.execute_command_provider is not None
    assert list(capabilities.execute_command_provider.commands) == ["promptopt.optimize"]
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
    if editor.encoding == "utf-8":
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


async def test_a_cancelled_request_is_answered_so_and_the_next_rewrite_is_right(editor: Editor) -> None:
    uri = opened(editor)
    action = await action_for(editor, uri)
    request_id = str(uuid.uuid4())
    task, token = await begun(editor, action, request_id)
    editor.client.cancel_request(types.CancelParams(id=request_id))
    assert (await failure(task)).code == -32800
    edit = await chosen(editor, await action_for(editor, uri))
    assert applied(DOCUMENT, edit, editor.encoding) == DOCUMENT.replace(PROMPT, REWRITE)
    assert kinds(editor, token)[-1] == "end"
    assert editor.edits == []


async def test_a_cancelled_progress_stops_the_rewrite(editor: Editor) -> None:
    uri = opened(editor)
    task, token = await begun(editor, await action_for(editor, uri))
    editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    error = await failure(task)
    assert (error.code, error.message) == (-32802, "The rewrite was cancelled.")
    assert kinds(editor, token)[-1] == "end"
    assert editor.edits == []


async def test_a_second_request_for_the_same_place_takes_over_from_the_first(editor: Editor) -> None:
    action = await action_for(editor, opened(editor))
    first, _ = await begun(editor, action)
    second = asyncio.ensure_future(chosen(editor, action))
    assert (await failure(first)).code == -32802
    assert applied(DOCUMENT, await second, editor.encoding) == DOCUMENT.replace(PROMPT, REWRITE)


async def test_requests_for_two_places_are_both_answered(code: Editor) -> None:
    one, two = await action_for(code, opened(code)), await action_for(code, opened(code))
    edits = await asyncio.gather(chosen(code, one), chosen(code, two))
    expected = DOCUMENT.replace(PROMPT, REWRITE)
    assert [applied(DOCUMENT, edit, code.encoding) for edit in edits] == [expected, expected]


async def test_a_rewrite_goes_to_where_its_prompt_has_moved(editor: Editor) -> None:
    uri = opened(editor)
    task, _ = await begun(editor, await action_for(editor, uri))
    now = "😀 a new first line\r\n" + DOCUMENT.replace("say", "please write")
    changed(editor, uri, now)
    edit = await task
    assert applied(now, edit, editor.encoding) == now.replace(PROMPT, REWRITE)
    if edit.document_changes:
        assert edit.document_changes[0].text_document.version == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("now", ["", DOCUMENT.replace(PROMPT, "create a function"), f"{PROMPT}\n{DOCUMENT}"])
async def test_a_prompt_that_changed_or_stands_twice_is_left_alone(code: Editor, now: str) -> None:
    uri = opened(code)
    task, token = await begun(code, await action_for(code, uri))
    changed(code, uri, now)
    error = await failure(task)
    assert error.code == -32801
    assert error.message == "The selected text has changed meanwhile; nothing was replaced. Select it and try again."
    assert kinds(code, token)[-1] == "end"


async def test_a_command_on_a_prompt_that_changed_edits_nothing(emacs: Editor) -> None:
    uri = opened(emacs)
    task, _ = await begun(emacs, await action_for(emacs, uri))
    changed(emacs, uri, "something else")
    assert (await failure(task)).code == -32801
    assert emacs.edits == []


async def test_a_document_that_was_closed_meanwhile_is_left_alone(code: Editor) -> None:
    uri = opened(code)
    task, _ = await begun(code, await action_for(code, uri))
    code.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    error = await failure(task)
    assert (error.code, error.message) == (-32801, "The document is not open any more.")


async def test_a_prompt_that_changed_before_the_request_is_refused_at_once(code: Editor) -> None:
    uri = opened(code)
    action = await action_for(code, uri)
    changed(code, uri, "nothing of it")
    shown = len(code.client.progress_reports)
    assert (await failure(asyncio.ensure_future(chosen(code, action)))).code == -32801
    assert len(code.client.progress_reports) == shown


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


@pytest.mark.parametrize(("reason", "shown"), [("the buffer is read-only", "the buffer is read-only"), (None, "the editor gave no reason")])
async def test_a_refused_edit_is_shown(emacs: Editor, reason: str | None, shown: str) -> None:
    action = await action_for(emacs, opened(emacs))
    emacs.apply_answer, accepted = types.ApplyWorkspaceEditResult(applied=False, failure_reason=reason), emacs.apply_answer
    emacs.client.messages.clear()
    await chosen(emacs, action)
    emacs.apply_answer = accepted
    assert emacs.client.messages == [types.ShowMessageParams(types.MessageType.Warning, f"The rewrite was not applied: {shown}.")]


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
                "promptopt.adpater is no setting; known are adapter, engine, logLevel, offline, threads.",
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
