"""What the proxy of each machine makes of answers, and what options the deployment takes; no cluster is started."""

import asyncio
from typing import Any

import httpx2
import pytest
from fakes import fake_optimizer
from pydantic import ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

pytest.importorskip("ray")

from promptopt.cluster import AT_A_TIME, Options, Replica, Retryable, at_the_proxy
from promptopt.settings import ServerSettings, Settings

pytestmark = pytest.mark.cluster


async def asked(app: ASGIApp) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(Retryable(app)), base_url="http://127.0.0.1") as client:
        return await client.get("/")


def said(answer: httpx2.Response) -> tuple[int, str, str | None]:
    return answer.status_code, answer.json()["error"]["code"], answer.headers.get("retry-after")


async def test_a_replica_that_died_without_a_word_is_503_and_to_be_asked_again() -> None:
    async def dead(scope: Scope, receive: Receive, send: Send) -> None:
        """Ray's proxy ends so when the replica has died."""

    answer = await asked(dead)
    assert said(answer) == (503, "unavailable", "2")
    assert answer.json()["error"]["message"] == "The replica that had this request has died."


@pytest.mark.parametrize(("status", "code"), [(429, "busy"), (503, "unavailable")])
async def test_refusals_of_ray_s_own_get_the_form_of_all_failures(status: int, code: str) -> None:
    assert said(await asked(PlainTextResponse("no replica", status))) == (status, code, "2")


@pytest.mark.parametrize(
    "answer", [JSONResponse({"error": {}}, 503), JSONResponse({}, 200), PlainTextResponse("success", 200), PlainTextResponse("gone", 404)]
)
async def test_other_answers_pass_as_they_are(answer: Response) -> None:
    got = await asked(answer)
    assert (got.status_code, got.content) == (answer.status_code, answer.body)


async def test_a_stream_passes_piece_by_piece() -> None:
    async def pieces() -> Any:
        for piece in ("a", "b", "c"):
            yield piece

    assert (await asked(StreamingResponse(pieces()))).text == "abc"


async def test_an_answer_that_has_begun_is_not_finished_for_the_replica() -> None:
    async def dies(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"event", "more_body": True})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await Retryable(dies)({"type": "http"}, None, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"]


def test_ray_is_given_the_middleware() -> None:
    assert [middleware.cls for middleware in at_the_proxy()] == [Retryable]


def test_options_are_read_from_words_as_serve_run_gives_them() -> None:
    given = Options.model_validate({"adapter": "markdown", "threads": "2", "offline": "true"})
    assert (given.adapter, given.threads, given.offline, given.queue) == ("markdown", 2, True, 256)


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"threads": "many"}, {"engine": "remote"}, {"adapter": ""}, {"queue": 0}, {"port": 1}])
def test_options_that_no_replica_can_have_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(wrong)


def test_the_configuration_for_ten_machines_is_one_that_ray_serve_reads() -> None:
    import yaml
    from cluster.conftest import ROOT
    from ray.serve.schema import ServeDeploySchema

    read = ServeDeploySchema.model_validate(yaml.safe_load((ROOT / "docs/cluster.yaml").read_text(encoding="utf-8")))
    [application] = read.applications
    assert application.import_path == "promptopt.cluster:app"
    assert Options.model_validate(application.args).allowed_hosts == ("prompts.example.org",)
    assert [deployment.name for deployment in application.deployments] == ["promptopt"]


async def test_a_replica_takes_all_that_it_is_given_however_few_may_wait_at_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMPTOPT_TOKEN", raising=False)
    app = Replica(Settings(), ServerSettings(queue=1), lambda _: fake_optimizer()).__serve_build_asgi_app__()
    transport = httpx2.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        prompts = {"prompts": ["a", "b"]}
        answers = await asyncio.gather(*(client.post("/optimize/batch", json=prompts, timeout=60) for _ in range(AT_A_TIME)))
    assert [(answer.status_code, len(answer.json()["results"])) for answer in answers] == [(200, 2)] * AT_A_TIME
