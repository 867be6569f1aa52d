"""The HTTP application on Ray Serve: replicas on many machines behind one address. docs/cluster.md says what to set.

`serve run promptopt.cluster:app` on a Ray cluster, `serve deploy` with a configuration file that names it.
"""

from dataclasses import replace
from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from promptopt.credentials import server_token
from promptopt.errors import Busy, PromptoptError, Unavailable
from promptopt.http.answers import MOST_PROMPTS, RETRY_SECONDS, failure
from promptopt.http.app import Make, create_app
from promptopt.http.gates import FromHere
from promptopt.http.run import GRACE_SECONDS
from promptopt.optimizer import BATCH, Optimizer
from promptopt.settings import ServerSettings, Settings

NAME = "promptopt"
AT_A_TIME = 2 * BATCH
"Requests that one replica has at a time: a batch that is computed, and the next one."
MOST_REPLICAS = 100


class Options(BaseModel):
    """What `serve run` takes as NAME=VALUE and a configuration file as `args`; called as the options of `promptopt serve`.

    threads: processor threads of each replica; it reserves as many on its machine.  queue: how many requests may wait at each proxy.
    """

    model_config = ConfigDict(extra="forbid")

    adapter: str = Field(Settings().adapter, min_length=1)
    engine: Literal["auto", "compiled", "reference"] = "auto"
    threads: int = Field(1, ge=1, le=256)
    offline: bool = Settings().offline
    token_file: str = ServerSettings().token_file
    allowed_hosts: tuple[str, ...] = ServerSettings().allowed_hosts
    allowed_origins: tuple[str, ...] = ServerSettings().allowed_origins
    queue: int = Field(ServerSettings().queue, ge=1)


def app(options: Options) -> Application:
    """What Ray Serve deploys; with other options it replaces the replicas one after the other."""
    return deployed(options)


def deployed(options: Options, make: Make = Optimizer) -> Application:
    """Replicas of one application: more while a batch waits before each, fewer when they idle."""
    network = {"adapter", "engine", "threads", "offline"}
    settings = Settings(**options.model_dump(include=network))
    server = ServerSettings(**options.model_dump(exclude=network))
    deployment = serve.deployment(
        name=NAME,
        ray_actor_options={"num_cpus": settings.threads},
        max_ongoing_requests=AT_A_TIME,
        max_queued_requests=server.queue,
        backpressure_config={"status_code": 429, "retry_after_s": float(RETRY_SECONDS)},
        autoscaling_config={"min_replicas": 1, "max_replicas": MOST_REPLICAS, "target_ongoing_requests": BATCH},
        max_surge_percent=20,
        graceful_shutdown_timeout_s=GRACE_SECONDS,
    )(serve.ingress()(Replica))
    return deployment.bind(settings, server, make)


class Replica:
    """One process that rewrites. It is given requests once its network is loaded; the token it reads on its own machine."""

    def __init__(self, settings: Settings, server: ServerSettings, make: Make) -> None:
        """Raises what `Optimizer.load` raises, and InvalidInput for a token that cannot be used."""
        token = server_token(server.token_file)
        first = make(settings)
        first.load()
        server = replace(server, queue=AT_A_TIME * MOST_PROMPTS)  # `queue` is the proxies'; a replica takes all that it is given
        self._app = create_app(settings, server, token, lambda asked: first if asked == settings else make(asked))
        if not token:
            self._app.add_middleware(FromHere)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application that Ray Serve hands requests to."""
        return self._app


def at_the_proxy() -> list[Middleware]:
    """For RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH: what the proxy of each machine does with answers."""
    return [Middleware(Retryable)]


class Retryable:
    """Answers in the place of a replica that has died, and puts what the proxy itself answers into the form of all failures.

    An answer that has begun breaks off: its client sees that it is not whole.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, own = False, None

        async def noted(message: Message) -> None:
            nonlocal begun, own
            if message["type"] == "http.response.start":
                begun, own = True, proxy_failure(message)
            if own is None:
                await send(message)

        await self._app(scope, receive, noted)
        lost = Unavailable("The replica that had this request has died.", "Send it again; another one answers.")
        said = own if begun else lost
        if said is not None:
            await failure(said)(scope, receive, send)


def proxy_failure(start: Message) -> PromptoptError | None:
    """What is said instead of a refusal of Ray Serve's own; None when the answer is no such thing."""
    own = Headers(raw=start["headers"]).get("content-type", "").startswith("text/plain")
    if own and start["status"] == 429:
        return Busy("All replicas have as many requests as they take, and the queue is full.", "Send yours again in a few seconds.")
    if own and start["status"] == 503:
        return Unavailable("No replica can answer now.", "Send it again in a few seconds; if it goes on, ask who runs the cluster.")
    return None
