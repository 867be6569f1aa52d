"""The application: routes, and what stands before them."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from promptopt import __version__
from promptopt.bundle import builtin_adapters
from promptopt.errors import InvalidInput, PromptoptError, Refused, RewriteFailed
from promptopt.http.answers import (
    Answer,
    BatchAnswer,
    BatchRequest,
    Health,
    Prompt,
    Request,
    failure,
    failures,
    problem,
)
from promptopt.http.batches import Batches
from promptopt.http.gates import SameSite, Token, WholeRequests
from promptopt.http.metrics import Measured, Metrics
from promptopt.http.page import page
from promptopt.optimizer import Optimizer, Progress, Rewrite, check_prompt
from promptopt.settings import ServerSettings, Settings

Make = Callable[[Settings], Optimizer]
_PROMPT_FAILURES = failures(400, 401, 403, 413, 421, 422, 429, 503)
_GATE_FAILURES = failures(401, 403, 413, 421)
_EVENT = 'event: progress\ndata: {"delta": " create function", "tokens": 7}\n\n'
_EVENT_SCHEMA = {
    "type": "object",
    "properties": {"event": {"enum": ["progress", "done", "error"]}, "data": {"type": "string", "description": "JSON."}},
    "required": ["event", "data"],
}
_EVENTS = {
    "description": "Events `progress` with `delta` and `tokens`, then one `done` with a result, or `error` with a problem.",
    "content": {
        "text/event-stream": {
            "schema": _EVENT_SCHEMA,
            "example": _EVENT,
        }
    },
}


class Styles:
    """An optimizer for each style that is asked for; the network's thread alone calls `optimizer`."""

    def __init__(self, settings: Settings, make: Make) -> None:
        self._settings = settings
        self._make = make
        self._made: dict[str, Optimizer] = {}

    def name(self, style: str | None) -> str:
        """The adapter that writes in this style. Raises InvalidInput when there is none."""
        known = {self._settings.adapter, *builtin_adapters()}
        if style is not None and style not in known:
            raise InvalidInput(f"There is no style {style!r}.", f"Known are {', '.join(sorted(known))}.")
        return style or self._settings.adapter

    def optimizer(self, name: str) -> Optimizer:
        """Its optimizer, loaded or not."""
        if name not in self._made:
            self._made[name] = self._make(replace(self._settings, adapter=name))
        return self._made[name]


def create_app(settings: Settings, server: ServerSettings, token: str = "", make: Make = Optimizer) -> FastAPI:
    """The ASGI application. Its network is loaded when it starts up, and it holds no prompt longer than its answer takes.

    `app.state.close()` tells all who wait for an answer that the server is stopping, and stops the network.
    """
    styles, metrics = Styles(settings, make), Metrics()
    batches = Batches(styles.optimizer, server.queue, metrics.batch)
    metrics.watch_queue(lambda: batches.waiting)
    app = FastAPI(
        title="promptopt",
        version=__version__,
        summary="Turns a vague prompt into a structured one.",
        docs_url=None,  # its page would fetch scripts from elsewhere
        redoc_url=None,
        middleware=_gates(server, token, metrics),
        lifespan=_lifespan(batches, settings.adapter),
    )
    app.state.close = batches.close
    _add_failures(app)
    _add_rewriting(app, batches, styles, metrics)
    _add_operation(app, batches, settings.adapter, metrics)
    _add_page(app)
    return app


def _gates(server: ServerSettings, token: str, metrics: Metrics) -> list[Middleware]:
    """From the outermost to the innermost."""
    cors = Middleware(
        CORSMiddleware, allow_origins=server.allowed_origins, allow_methods=["GET", "POST"], allow_headers=["authorization", "content-type"]
    )
    return [
        Middleware(Measured, metrics),
        Middleware(SameSite, server.allowed_hosts, server.allowed_origins),
        *([cors] if server.allowed_origins else []),
        *([Middleware(Token, token)] if token else []),
        Middleware(WholeRequests),
    ]


def _lifespan(batches: Batches, style: str) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batches.start(style)
        try:
            yield
        finally:
            await batches.close()

    return lifespan


def _add_failures(app: FastAPI) -> None:
    """Every answer that is no success is the JSON of `Failure`."""

    @app.exception_handler(PromptoptError)
    async def failed(_: HttpRequest, error: PromptoptError) -> JSONResponse:
        return failure(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: HttpRequest, error: RequestValidationError) -> JSONResponse:
        return failure(InvalidInput(_sentence(error.errors()), "GET /openapi.json says what a request looks like."))

    @app.exception_handler(HTTPException)
    async def refused(_: HttpRequest, error: HTTPException) -> JSONResponse:
        return failure(Refused(f"{error.detail}.", "GET /openapi.json lists what there is."), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def broken(_: HttpRequest, error: Exception) -> JSONResponse:
        said = PromptoptError(f"The server failed ({type(error).__name__}).", "Its log says where; please report it.")
        return failure(said, 500)


def _add_rewriting(app: FastAPI, batches: Batches, styles: Styles, metrics: Metrics) -> None:
    @app.post("/optimize", response_model=Answer, responses=_PROMPT_FAILURES)
    async def optimize(asked: Request) -> dict[str, Any]:
        """Rewrites a prompt."""
        check_prompt(asked.prompt)
        style = styles.name(asked.style)
        if asked.variants > 1:
            found = await batches.alone(lambda optimizer, stop: optimizer.variants(asked.prompt, asked.variants, stop), style)
        else:
            found = [_given(rewrite) for rewrite in await batches.rewrites([asked.prompt], style)]
        metrics.tokens(sum(rewrite.tokens for rewrite in found))
        return {**found[0].as_json(), "variants": [rewrite.as_json() for rewrite in found[1:]]}

    @app.post("/optimize/batch", response_model=BatchAnswer, responses=_PROMPT_FAILURES)
    async def optimize_batch(asked: BatchRequest) -> dict[str, Any]:
        """Rewrites several prompts; one that fails does not keep the others from their answers."""
        found = await batches.rewrites(asked.prompts, styles.name(asked.style))
        metrics.tokens(sum(rewrite.tokens for rewrite in found if isinstance(rewrite, Rewrite)))
        return {"results": [_row(rewrite) for rewrite in found]}

    @app.post("/optimize/stream", response_class=StreamingResponse, responses={200: _EVENTS, **_PROMPT_FAILURES})
    async def optimize_stream(asked: Prompt) -> StreamingResponse:
        """Rewrites a prompt and sends server-sent events while the network writes."""
        check_prompt(asked.prompt)
        heard = batches.stream(asked.prompt, styles.name(asked.style))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(heard, metrics), media_type="text/event-stream", headers=headers)


def _add_operation(app: FastAPI, batches: Batches, adapter: str, metrics: Metrics) -> None:
    def state(code: int) -> JSONResponse:
        said = {"live": True, "ready": batches.ready, "version": __version__, "adapter": adapter, "waiting": batches.waiting}
        return JSONResponse({**said, "problem": problem(batches.problem) if batches.problem else None}, code)

    unready: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "The network is not loaded."}, **_GATE_FAILURES}

    @app.get("/health", response_model=Health, responses=unready)
    @app.get("/health/ready", response_model=Health, responses=unready)
    async def ready() -> JSONResponse:
        """Whether a prompt would be rewritten now."""
        return state(200 if batches.ready else 503)

    @app.get("/health/live", response_model=Health, responses=_GATE_FAILURES)
    async def live() -> JSONResponse:
        """Whether the process answers."""
        return state(200)

    @app.get("/metrics", responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}, **_GATE_FAILURES})
    async def read_metrics() -> Response:
        """Counts and times."""
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _add_page(app: FastAPI) -> None:
    text, headers = page()

    @app.get("/", include_in_schema=False)
    async def show() -> HTMLResponse:
        """The page for people."""
        return HTMLResponse(text, headers=headers)


async def _events(heard: AsyncGenerator[Progress | Rewrite, None], metrics: Metrics) -> AsyncIterator[str]:
    """A stream of rewriting as server-sent events."""
    shown = 0
    async with aclosing(heard):
        try:
            async for told in heard:
                if isinstance(told, Rewrite):
                    metrics.tokens(told.tokens)
                    yield _event("done", told.as_json())
                elif len(told.text) > shown:
                    yield _event("progress", {"delta": told.text[shown:], "tokens": told.tokens})
                    shown = len(told.text)
        except PromptoptError as error:
            yield _event("error", problem(error))


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _given(rewrite: Rewrite | BaseException) -> Rewrite:
    """The rewrite; raises what is there instead of one."""
    if isinstance(rewrite, BaseException):
        raise rewrite
    return rewrite


def _row(rewrite: Rewrite | BaseException) -> dict[str, Any]:
    """A result, or the failure of this prompt alone; raises a failure of the whole batch."""
    if isinstance(rewrite, (RewriteFailed, InvalidInput)):
        return {"error": problem(rewrite)}
    return _given(rewrite).as_json()


def _sentence(errors: Sequence[Any]) -> str:
    """What is wrong with the first thing that is wrong, without repeating what was sent."""
    first = errors[0]
    if first["type"] == "json_invalid" or first["loc"] == ("body",):
        return "The body is not a JSON object sent as application/json."
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
