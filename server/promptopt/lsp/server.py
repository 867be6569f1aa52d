"""The wiring: protocol requests in, thin handlers, the optimizer behind them."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from promptopt import __version__
from promptopt.errors import Cancelled, PromptoptError
from promptopt.lsp.actions import KIND, OPTIMIZE, Request, code_actions
from promptopt.lsp.apply import apply
from promptopt.lsp.delivery import Delivery
from promptopt.lsp.jobs import Jobs
from promptopt.lsp.positions import range_at
from promptopt.lsp.progress import work_done_progress
from promptopt.lsp.selection import anchored
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings, parse_settings

REQUEST_FAILED = -32803
SERVER_CANCELLED = -32802
CONTENT_MODIFIED = -32801
INVALID_PARAMS = -32602
_LOG = logging.getLogger(__name__)


class Session:
    """What the server knows of its client, and the jobs it runs for it."""

    def __init__(self, server: LanguageServer, optimizer: Optimizer) -> None:
        self.server = server
        self.jobs = Jobs(optimizer)
        self.delivery = Delivery(resolves=False, versioned=False, progress=False)

    def configure(self, params: types.InitializeParams) -> list[str]:
        """Takes over the client's capabilities and options; returns a sentence for each option that was wrong."""
        self.delivery = Delivery.of(params.capabilities)
        own = logging.getLogger("promptopt")
        started = replace(self.jobs.optimizer.settings, log_level=logging.getLevelName(own.getEffectiveLevel()).lower())
        settings, problems = parse_settings(params.initialization_options, started)
        self.jobs.optimizer.settings = settings
        own.setLevel(settings.log_level.upper())
        return problems

    @property
    def encoding(self) -> types.PositionEncodingKind:
        """The position encoding agreed with the client."""
        return types.PositionEncodingKind(self.server.workspace.position_encoding or types.PositionEncodingKind.Utf16)

    def document(self, uri: str) -> TextDocument | None:
        """The open document at `uri`; pygls keeps them by their unquoted addresses."""
        documents: Mapping[str, TextDocument] = self.server.workspace.text_documents
        return documents.get(unquote(uri))

    async def edit(self, request: Request, token: types.ProgressToken | None) -> types.WorkspaceEdit:
        """The edit that puts the rewrite in the place of the prompt. Raises JsonRpcException with a sentence for the user."""
        self._anchor(request)
        stop = threading.Event()
        async with work_done_progress(self.server, token, self.delivery.progress, stop) as report:
            try:
                rewrite = await self.jobs.run((request.uri, request.start), request.text, stop, report)
            except Cancelled as error:
                raise JsonRpcException(error.message, SERVER_CANCELLED) from error
            except PromptoptError as error:
                raise JsonRpcException(str(error), REQUEST_FAILED) from error
        document, range_ = self._anchor(request)
        text = rewrite.text.replace("\n", "\r\n") if "\r\n" in document.source else rewrite.text
        return self.delivery.edit(request.uri, document.version, range_, text)

    def _anchor(self, request: Request) -> tuple[TextDocument, types.Range]:
        """The document, and where in it the prompt stands now. Raises ContentModified when that cannot be told."""
        document = self.document(request.uri)
        if document is None:
            raise content_modified("The document is not open any more.")
        selection = anchored(document.source, request.selection, document.version == request.version)
        if selection is None:
            raise content_modified("The selected text has changed meanwhile; nothing was replaced. Select it and try again.")
        return document, range_at(document.source, selection.start, selection.end, self.encoding)


def content_modified(message: str) -> JsonRpcException:
    """The protocol's error for work on a text that is not there any more."""
    return JsonRpcException(message, CONTENT_MODIFIED)


def create_server(optimizer: Optimizer | None = None) -> LanguageServer:
    """A language server with all handlers; `optimizer` can be given by tests. Nothing is loaded yet."""
    server = LanguageServer("promptopt", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
    session = Session(server, optimizer or Optimizer(Settings()))

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        for problem in session.configure(params):
            _LOG.warning("%s", problem)
            server.window_show_message(types.ShowMessageParams(types.MessageType.Warning, problem))

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[KIND], resolve_provider=True))
    def code_action(params: types.CodeActionParams) -> list[types.CodeAction]:
        document = session.document(params.text_document.uri)
        if document is None:
            return []
        return code_actions(params, document.source, document.version, session.encoding, session.delivery)

    @server.feature(types.CODE_ACTION_RESOLVE)
    async def resolve(action: types.CodeAction) -> types.CodeAction:
        action.edit = await session.edit(parse_request(action.data), None)
        return action

    @server.feature(types.WORKSPACE_EXECUTE_COMMAND)
    async def execute(params: types.ExecuteCommandParams) -> None:
        if params.command != OPTIMIZE:
            raise JsonRpcException("promptopt has no such command.", INVALID_PARAMS)
        request = parse_request(params.arguments[0] if params.arguments else None)
        edit = await session.edit(request, params.work_done_token)
        await apply(server, edit)

    server.command(OPTIMIZE)(execute)  # declares it; pygls' own way of running it knows no cancel and no progress token
    del server.protocol.fm.builtin_features[types.WORKSPACE_EXECUTE_COMMAND]

    @server.feature(types.SHUTDOWN)
    def shutdown(*_: object) -> None:
        session.jobs.close()

    return server


def parse_request(data: object) -> Request:
    """The request in a client's data. Raises JsonRpcException for data that is not ours."""
    try:
        return Request.from_json(data)
    except ValueError as error:
        raise JsonRpcException("These arguments do not come from promptopt's own code action.", INVALID_PARAMS) from error
