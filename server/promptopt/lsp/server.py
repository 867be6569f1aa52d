"""The wiring: protocol messages in, thin handlers, and behind them what is known of the client."""

import asyncio
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from promptopt import __version__
from promptopt.bundle import builtin_adapters
from promptopt.lsp.actions import KIND, OPTIMIZE, VARIANTS, code_actions
from promptopt.lsp.apply import hand_over, pick
from promptopt.lsp.configuration import items
from promptopt.lsp.gate import guard
from promptopt.lsp.logs import OWN, ClientLog
from promptopt.lsp.models import Make
from promptopt.lsp.parent import leave, watch
from promptopt.lsp.preview import PREVIEW
from promptopt.lsp.session import INVALID_PARAMS, Session, parse_request, source_of
from promptopt.optimizer import Optimizer

DOCTOR = "promptopt.doctor"
COMMANDS = (OPTIMIZE, PREVIEW, VARIANTS, DOCTOR)
TITLE_WIDTH = 60


def create_server(make: Make = Optimizer) -> Session:
    """A session with its language server and all handlers; `make` can be given by tests. Nothing is loaded yet."""
    server = LanguageServer("promptopt", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
    session = Session(server, make)
    tasks: set[asyncio.Task[None]] = set()
    add_lifecycle(session, tasks)
    add_settings(session)
    add_rewrites(session)
    guard(session)
    return session


def add_lifecycle(session: Session, tasks: set[asyncio.Task[None]]) -> None:
    """initialize, shutdown, exit, and what ends the work on a document."""
    server = session.server

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        session.log = ClientLog(server, asyncio.get_running_loop())
        OWN.addHandler(session.log)
        session.settle(session.configure(params))
        if params.process_id:
            tasks.add(asyncio.ensure_future(watch(params.process_id, leave)))

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        session.jobs.stop_document(params.text_document.uri)

    @server.feature(types.SHUTDOWN)
    def shutdown(*_: object) -> None:
        session.close()

    @server.feature(types.EXIT)
    def exit_(*_: object) -> None:
        session.exit_status = 0 if session.ending else 1
        session.close()
        for task in tasks:
            task.cancel()


def add_settings(session: Session) -> None:
    """The three ways in which settings come."""
    server = session.server

    def pulls() -> bool:
        workspace = server.client_capabilities.workspace
        return bool(workspace and workspace.configuration)

    async def pull() -> None:
        scopes = [folder.uri for folder in server.workspace.folders.values()]  # their keys are unquoted, which the client does not know
        try:
            answers = await server.workspace_configuration_async(items(scopes))
        except JsonRpcException as error:
            session.settle([f"The editor did not give the promptopt settings ({error.message}); the former ones stay."])
            return
        session.settle(session.configuration.pulled(scopes, answers))

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        workspace = server.client_capabilities.workspace
        changes = workspace and workspace.did_change_configuration
        if changes and changes.dynamic_registration:
            wish = types.Registration("promptopt.settings", types.WORKSPACE_DID_CHANGE_CONFIGURATION, {"section": "promptopt"})
            server.client_register_capability(types.RegistrationParams([wish]))
        if pulls():
            await pull()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        if pulls():
            await pull()
        elif params.settings is not None:
            session.settle(session.configuration.push(params.settings))

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    async def did_change_workspace_folders(_: types.DidChangeWorkspaceFoldersParams) -> None:
        if pulls():
            await pull()


def add_rewrites(session: Session) -> None:
    """The code actions and the commands."""
    server = session.server

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[KIND], resolve_provider=True))
    def code_action(params: types.CodeActionParams) -> list[types.CodeAction]:
        document = session.document(params.text_document.uri)
        if document is None:
            return []
        source = source_of(document)
        return code_actions(params, source, document.version, session.encoding, session.delivery, builtin_adapters())

    @server.feature(types.CODE_ACTION_RESOLVE)
    async def resolve(action: types.CodeAction) -> types.CodeAction:
        if action.command is None:  # clients resolve whatever has no edit, also what is a command
            action.edit = session.replacing(await session.optimized(parse_request(action.data), None))
        return action

    @server.feature(types.WORKSPACE_EXECUTE_COMMAND)
    async def execute(params: types.ExecuteCommandParams) -> dict[str, Any] | None:
        if params.command not in COMMANDS:
            raise JsonRpcException("promptopt has no such command.", INVALID_PARAMS)
        if params.command == DOCTOR:
            return await session.examine()
        if params.command == PREVIEW:
            return await session.preview(params.arguments, params.work_done_token)
        request = session.request(params.arguments)
        if params.command == OPTIMIZE:
            answer = await session.optimized(request, params.work_done_token)
            await hand_over(server, session.delivery, lambda: session.replacing(answer))
            return None
        variants = await session.variants(request, params.work_done_token)
        picked = await pick(server, "Which rewrite?", titles([variant.rewrite.text for variant in variants]))
        if picked is not None:
            await hand_over(server, session.delivery, lambda: session.replacing(variants[picked]))
        return None

    for name in COMMANDS:  # declares them; pygls' own way of running one knows no cancel and no progress token
        server.command(name)(execute)
    del server.protocol.fm.builtin_features[types.WORKSPACE_EXECUTE_COMMAND]


def titles(texts: list[str]) -> list[str]:
    """A short title for each text, from its beginning, with its number."""
    return [f"{number}. {' '.join(text.split())[:TITLE_WIDTH]}…" for number, text in enumerate(texts, start=1)]
