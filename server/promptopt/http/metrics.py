"""What Prometheus is told: counts and times, never a prompt."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GONE = "499"
"The status under which a request is counted whose client left before the answer; nginx's number for it."
FAILED = "500"


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter("promptopt_requests", "Requests by path and status.", ("path", "status"), registry=self.registry)
        self._seconds = Histogram(
            "promptopt_request_seconds", "From a request to the end of its answer.", ("path",), registry=self.registry
        )
        self._batches = Histogram("promptopt_batch_prompts", "Prompts in a batch.", registry=self.registry, buckets=(1, 2, 4, 8, 16))
        self._tokens = Counter("promptopt_tokens", "Pieces in the rewrites that were given.", registry=self.registry)
        self._waiting = Gauge("promptopt_waiting_prompts", "Prompts in the queue.", registry=self.registry)

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Asks `waiting` for the length of the queue whenever the metrics are read."""
        self._waiting.set_function(waiting)

    def batch(self, size: int) -> None:
        """A batch of so many prompts has begun."""
        self._batches.observe(size)

    def tokens(self, count: int) -> None:
        """A rewrite of so many pieces was given."""
        self._tokens.inc(count)

    def request(self, path: str, status: str, seconds: float) -> None:
        """A request has ended."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


class Measured:
    """Counts and times every request, by the path of its route; what has no route is `other`."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), ""

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:
            status = status or FAILED  # answered further out
            raise
        finally:
            path = getattr(scope.get("route"), "path", "other")
            status = GONE if scope.get("promptopt.abandoned") or not status else status
            self._metrics.request(path, status, time.perf_counter() - started)
