"""One client's session: what it can take, its settings, and the rewrites made for it."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from promptopt.doctor import as_json, network, on_this_machine
from promptopt.errors import Cancelled, PromptoptError
from promptopt.frames import Frame, frame_of
from promptopt.lsp.actions import Request, request_at
from promptopt.lsp.configuration import Configuration
from promptopt.lsp.delivery import Delivery
from promptopt.lsp.jobs import Jobs
from promptopt.lsp.logs import OWN
from promptopt.lsp.models import Make, Optimizers
from promptopt.lsp.positions import range_at
from promptopt.lsp.preview import PREVIEW, Wish, growing
from promptopt.lsp.progress import work_done_progress
from promptopt.lsp.selection import Source, anchored
from promptopt.lsp.status import Status, wants_status
from promptopt.optimizer import Optimizer, Progress, Rewrite
from promptopt.settings import Settings

REQUEST_FAILED = -32803
SERVER_CANCELLED = -32802
CONTENT_MODIFIED = -32801
INVALID_PARAMS = -32602
VARIANT_COUNT = 3
OnToken = Callable[[Progress], None]
Rewrites = Callable[[Optimizer, str, threading.Event, OnToken], list[Rewrite]]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """A rewrite, what it was asked for by, and the prompt that this meant then."""

    request: Request
    prompt: str
    rewrite: Rewrite


class Session:
    """What the server knows of its client, and the jobs it runs for it.

    exit_status: with which the process should end; 1 when the client leaves without asking for a shutdown.
    """

    def __init__(self, server: LanguageServer, make: Make = Optimizer) -> None:
        self.server = server
        self.configuration = Configuration(Settings())
        self.status = Status(server)
        self.jobs = Jobs(Optimizers(make), self.status.tell, lambda: self.configuration.general.idle_unload_seconds)
        self.delivery = Delivery(resolves=False, versioned=False, progress=False)
        self.exit_status = 0
        self.ending = False
        self.log: logging.Handler | None = None

    def configure(self, params: types.InitializeParams) -> list[str]:
        """Takes over the client's capabilities and options; returns a sentence for each option that was wrong."""
        self.delivery = Delivery.of(params.capabilities)
        self.status.wanted = wants_status(params.capabilities)
        level = logging.getLevelName(OWN.getEffectiveLevel()).lower()
        return self.configuration.initialize(params.initialization_options, level)

    def settle(self, problems: Sequence[str]) -> None:
        """Acts on settings that have changed, and shows and logs what was wrong with them."""
        OWN.setLevel(self.configuration.general.log_level.upper())
        for problem in problems:
            _LOG.warning("%s", problem)
            self.server.window_show_message(types.ShowMessageParams(types.MessageType.Warning, problem))

    def close(self) -> None:
        """Stops all work; what is still asked for is cancelled."""
        self.ending = True
        self.jobs.close()
        if self.log is not None:
            OWN.removeHandler(self.log)

    @property
    def encoding(self) -> types.PositionEncodingKind:
        """The position encoding agreed with the client."""
        return types.PositionEncodingKind(self.server.workspace.position_encoding or types.PositionEncodingKind.Utf16)

    def document(self, uri: str) -> TextDocument | None:
        """The open document at `uri`; pygls keeps them by their unquoted addresses."""
        documents: Mapping[str, TextDocument] = self.server.workspace.text_documents
        return documents.get(unquote(uri))

    def request(self, arguments: Sequence[Any] | None) -> Request:
        """The request in a command's arguments: one of our own actions, or `{uri, range}`. Raises JsonRpcException for any other."""
        data = arguments[0] if arguments else None
        if isinstance(data, Mapping) and isinstance(data.get("uri"), str) and isinstance(data.get("range"), Mapping):
            return self._request_in(data["uri"], data["range"])
        return parse_request(data)

    def _request_in(self, uri: str, range_: Mapping[str, Any], version: int | None = None) -> Request:
        """The request for a range of the document as it is now, which must be `version` where that is given."""
        document = self.document(uri)
        if document is None:
            raise content_modified("The document is not open any more.")
        if version not in (None, document.version):
            raise content_modified("The document has changed meanwhile; select the text and try again.")
        made = request_at(source_of(document), uri, document.version, structured_range(range_), self.encoding)
        if made is None:
            raise JsonRpcException("There is no text at the cursor. Write or select what you want to ask.", REQUEST_FAILED)
        return made

    async def optimized(self, request: Request, token: types.ProgressToken | None) -> Answer:
        """The rewrite of the prompt. Raises JsonRpcException with a sentence for the user."""

        def optimize(optimizer: Optimizer, prompt: str, stop: threading.Event, on_token: OnToken) -> list[Rewrite]:
            return [optimizer.optimize(prompt, stop, on_token)]

        (answer,) = await self._answers(request, token, optimize)
        return answer

    async def preview(self, arguments: Sequence[Any] | None, token: types.ProgressToken | None) -> dict[str, Any]:
        """The rewrite and its edit, for the client to apply; it is told meanwhile how the rewrite grows. Raises JsonRpcException."""
        wish = parse_wish(arguments[0] if arguments else None)
        request = replace(self._request_in(wish.uri, wish.range, wish.version), adapter=wish.adapter)
        loop = asyncio.get_running_loop()

        def optimize(optimizer: Optimizer, prompt: str, stop: threading.Event, on_token: OnToken) -> list[Rewrite]:
            grow = growing(self.server, loop, wish.token, stop)

            def both(progress: Progress) -> None:
                on_token(progress)
                grow(progress)

            return [optimizer.optimize(prompt, stop, both)]

        (answer,) = await self._answers(request, token, optimize)
        return {"edit": self.replacing(answer), **asdict(answer.rewrite)}

    async def variants(self, request: Request, token: types.ProgressToken | None) -> list[Answer]:
        """Different rewrites of the prompt, the surest first. Raises JsonRpcException with a sentence for the user."""

        def draw(optimizer: Optimizer, prompt: str, stop: threading.Event, _: OnToken) -> list[Rewrite]:
            return optimizer.variants(prompt, VARIANT_COUNT, stop)

        return await self._answers(request, token, draw)

    async def _answers(self, request: Request, token: types.ProgressToken | None, rewrites: Rewrites) -> list[Answer]:
        prompt = self.frame(request).prompt
        settings = self.configuration.of(request.uri)
        settings = replace(settings, adapter=request.adapter) if request.adapter else settings
        stop = threading.Event()

        def work(optimizer: Optimizer, stop: threading.Event, on_token: OnToken) -> list[Rewrite]:
            return rewrites(optimizer, prompt, stop, on_token)

        async with work_done_progress(self.server, token, self.delivery.progress, stop) as report:
            try:
                found = await self.jobs.run((request.uri, request.start), settings, work, stop, report)
            except Cancelled as error:
                if self.document(request.uri) is None:
                    raise content_modified("The document is not open any more.") from error
                raise JsonRpcException(error.message, SERVER_CANCELLED) from error
            except PromptoptError as error:
                raise JsonRpcException(str(error), REQUEST_FAILED) from error
        answers = [Answer(request, prompt, rewrite) for rewrite in found]
        for answer in answers:
            self._frame_of(answer)  # sooner than its user would choose one
        return answers

    async def examine(self) -> dict[str, Any]:
        """What `promptopt doctor --json` prints, on the network that is in use; downloads nothing."""
        settings = self.configuration.general
        here = self.jobs.beside(lambda optimizers: on_this_machine(settings, optimizers.local(settings)))
        findings, hub = await asyncio.gather(here, asyncio.to_thread(network, settings))  # the Hub may take seconds to answer
        return as_json([*findings, hub])

    def frame(self, request: Request) -> Frame:
        """The selection as it stands now. Raises ContentModified when that cannot be told, RequestFailed when it has no one meaning."""
        document = self.document(request.uri)
        if document is None:
            raise content_modified("The document is not open any more.")
        selection = anchored(document.source, request.selection, document.version == request.version, request.movable)
        if selection is None:
            raise content_modified("The selected text has changed meanwhile; nothing was replaced. Select it and try again.")
        source = source_of(document)
        try:
            return frame_of(source.text, source.language, source.name, selection.start, selection.end)
        except PromptoptError as error:
            raise JsonRpcException(str(error), REQUEST_FAILED) from error

    def _frame_of(self, answer: Answer) -> Frame:
        """The frame of what was asked for as it stands now. Raises as `frame` does, and ContentModified where it means another prompt."""
        frame = self.frame(answer.request)
        if frame.prompt != answer.prompt:
            raise content_modified("What stands around the selection has changed meanwhile; nothing was replaced. Select it and try again.")
        return frame

    def replacing(self, answer: Answer) -> types.WorkspaceEdit:
        """The edit that writes a rewrite in the place of its prompt as that stands now. Raises JsonRpcException where it does not fit."""
        uri = answer.request.uri
        frame, document = self._frame_of(answer), self.document(uri)
        assert document is not None
        try:
            text = frame.fit(answer.rewrite.text)
        except PromptoptError as error:
            raise JsonRpcException(str(error), REQUEST_FAILED) from error
        range_ = range_at(document.source, frame.start, frame.end, self.encoding)
        return self.delivery.edit(uri, document.version, range_, text)


def source_of(document: TextDocument) -> Source:
    """A document as the frames take it."""
    return Source(document.source, document.language_id or "", unquote(urlsplit(document.uri).path))


def content_modified(message: str) -> JsonRpcException:
    """The protocol's error for work on a text that is not there any more."""
    return JsonRpcException(message, CONTENT_MODIFIED)


def parse_request(data: object) -> Request:
    """The request in a client's data. Raises JsonRpcException for data that is not ours."""
    try:
        return Request.from_json(data)
    except ValueError as error:
        raise not_ours() from error


def parse_wish(data: object) -> Wish:
    """The wish for a preview in a client's data. Raises JsonRpcException for data that is none."""
    try:
        return Wish.from_json(data)
    except ValueError as error:
        raise JsonRpcException(f"{PREVIEW} takes {{textDocument: {{uri, version}}, range, adapter, token}}.", INVALID_PARAMS) from error


def structured_range(data: Mapping[str, Any]) -> types.Range:
    """A range from its JSON. Raises JsonRpcException when it is none."""
    try:
        ends = [types.Position(int(data[end]["line"]), int(data[end]["character"])) for end in ("start", "end")]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise not_ours() from error
    return types.Range(*ends)


def not_ours() -> JsonRpcException:
    """The protocol's error for arguments that make no sense here."""
    return JsonRpcException("These arguments do not come from promptopt's own code action.", INVALID_PARAMS)
