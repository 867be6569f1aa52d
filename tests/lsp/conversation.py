"""How the tests talk with the server: as three real editors do, through pytest-lsp's client."""

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

import pytest
from fakes import fake_rewrite
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import default_converter
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities
from pytest_lsp.client import register_lsp_features

ROOT = Path(__file__).parents[2]
SERVER = [sys.executable, str(Path(__file__).with_name("fake_server.py")), "--stdio"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("server", "training", "tests"))}
CODECS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
PROMPT = "create function"
DOCUMENT = f'first\u2028line\f\r\né😀 say "{PROMPT}" 😀 to it\r\nlast'
REWRITE = fake_rewrite(PROMPT).replace("\n", "\r\n")  # the line ends of the document
HELIX = Path(__file__).parent / "clients" / "helix_v24.3.json"  # the others come with pytest-lsp
PATIENCE = 15.0
NUMBERS = itertools.count()


def capabilities_of(name: str) -> types.ClientCapabilities:
    """What an editor declares that it can do."""
    if name != "helix":
        return client_capabilities(name)
    return default_converter().structure(json.loads(HELIX.read_text())["capabilities"], types.ClientCapabilities)


@dataclass
class Editor:
    """A client in conversation with the server, and what its user would see."""

    client: LanguageClient
    answer: types.InitializeResult
    encoding: str
    versioned: bool = True
    edits: list[types.WorkspaceEdit] = field(default_factory=list)
    before_answer: Callable[[], None] = lambda: None
    apply_answer: types.ApplyWorkspaceEditResult = field(default_factory=lambda: types.ApplyWorkspaceEditResult(applied=True))
    choices: list[list[str]] = field(default_factory=list)
    choose: Callable[[list[types.MessageActionItem]], types.MessageActionItem | None] = lambda items: None


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
async def conversation(
    capabilities: types.ClientCapabilities, options: object = None, command: Sequence[str] = SERVER, **environment: str
) -> AsyncIterator[Editor]:
    """An initialized server on `capabilities`, shut down afterwards; `command` starts another one than that without weights."""
    client: LanguageClient = await ClientServerConfig(list(command), new_client, {**ENVIRONMENT, **environment}).start()  # type: ignore[assignment]
    editor = Editor(client, None, "")  # type: ignore[arg-type]

    @client.feature(types.WORKSPACE_APPLY_EDIT)
    def apply(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        editor.edits.append(params.edit)
        editor.before_answer()
        return editor.apply_answer

    @client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
    def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
        items = list(params.actions or ())
        editor.choices.append([item.title for item in items])
        return editor.choose(items)

    editor.answer = await client.initialize_session(
        types.InitializeParams(capabilities=capabilities, root_uri="file:///notes", initialization_options=options)
    )
    editor.encoding = str(types.PositionEncodingKind(editor.answer.capabilities.position_encoding).value)
    editor.versioned = bool(capabilities.workspace and capabilities.workspace.workspace_edit.document_changes)  # type: ignore[union-attr]
    yield editor
    await client.shutdown_session()
    await client.stop()


def opened(editor: Editor, text: str = DOCUMENT) -> str:
    """The address of a new open document."""
    uri = f"file:///notes/my%20n%C3%B6te%20{next(NUMBERS)}.md"
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "markdown", 1, text)))
    return uri


def changed(editor: Editor, uri: str, text: str, version: int = 2) -> None:
    document = types.VersionedTextDocumentIdentifier(uri=uri, version=version)
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
    """The action "Optimize prompt"."""
    return (await offered(editor, uri))[0]


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
