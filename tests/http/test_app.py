"""Every route and every status, on an engine that needs no weights."""

import asyncio
import json

import httpx2
import pytest
from fakes import fake_rewrite
from serving import CODEC, Held, broken, events, serving

from promptopt import __version__
from promptopt.codec import END
from promptopt.engine.model import Model
from promptopt.errors import InvalidInput, PromptoptError, Unavailable
from promptopt.http.answers import MOST_PROMPTS
from promptopt.http.app import create_app
from promptopt.http.gates import LARGEST_BODY
from promptopt.optimizer import LONGEST_PROMPT, Optimizer
from promptopt.settings import ServerSettings, Settings

BLANK = {
    "code": "invalid_input",
    "message": "The prompt consists of white space only.",
    "hint": "Write or select what you want to ask, then try again.",
}


def refused(answer: httpx2.Response) -> tuple[int, str, str]:
    """Status, code and message; there is always a next step too."""
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["hint"]
    return answer.status_code, error["code"], error["message"]


async def test_a_prompt_is_rewritten() -> None:
    async with serving() as client:
        answer = await client.post("/optimize", json={"prompt": "create function"})
    assert answer.status_code == 200
    row = answer.json()
    assert row.pop("seconds") > 0
    assert 0 < row.pop("confidence") < 1
    assert row == {"optimized_prompt": fake_rewrite("create function"), "tokens": 13, "variants": []}


@pytest.mark.parametrize("prompt", ["  padded \n", "{a} `b`\t\\", "日本語 😀", "a\r\nb", "\0"])
async def test_the_prompt_comes_back_byte_for_byte(prompt: str) -> None:
    async with serving() as client:
        whole = await client.post("/optimize", json={"prompt": prompt})
        streamed = await client.post("/optimize/stream", json={"prompt": prompt})
    assert whole.json()["optimized_prompt"] == fake_rewrite(prompt)
    *progress, (name, done) = events(streamed.text)
    assert (name, done["optimized_prompt"]) == ("done", fake_rewrite(prompt))
    assert "".join(data["delta"] for _, data in progress) == fake_rewrite(prompt)


async def test_variants_that_are_equal_are_not_repeated() -> None:
    async with serving() as client:
        answer = await client.post("/optimize", json={"prompt": "a", "variants": 3, "style": "golden"})
    assert (answer.status_code, answer.json()["variants"]) == (200, [])


async def test_a_batch_comes_back_in_order_with_failures_in_place() -> None:
    async with serving() as client:
        answer = await client.post("/optimize/batch", json={"prompts": ["a", " ", "b"]})
    first, second, third = answer.json()["results"]
    assert [first["optimized_prompt"], third["optimized_prompt"]] == [fake_rewrite("a"), fake_rewrite("b")]
    assert second == {"error": BLANK}


async def test_a_stream_tells_of_each_piece_and_ends_with_the_result() -> None:
    async with serving() as client:
        answer = await client.post("/optimize/stream", json={"prompt": "a"})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *progress, (name, done) = events(answer.text)
    assert {name for name, _ in progress} == {"progress"}
    assert [data["tokens"] for _, data in progress] == sorted({data["tokens"] for _, data in progress})
    assert (name, set(done)) == ("done", {"optimized_prompt", "confidence", "tokens", "seconds"})


async def test_a_stream_that_fails_under_way_ends_with_the_error() -> None:
    async with serving(Held(ids=[*CODEC.plain("Act."), END])) as client:
        answer = await client.post("/optimize/stream", json={"prompt": "a"})
    name, error = events(answer.text)[-1]
    assert (answer.status_code, name, error["code"]) == (200, "error", "rewrite_failed")
    assert error["hint"]


async def test_a_rewrite_that_is_not_acceptable_is_422() -> None:
    async with serving(Held(ids=[*CODEC.plain("Act."), END])) as client:
        answer = await client.post("/optimize", json={"prompt": "a"})
    assert refused(answer)[:2] == (422, "rewrite_failed")


@pytest.mark.parametrize("path", ["/optimize", "/optimize/stream"])
async def test_prompts_that_cannot_be_worked_on_are_422(path: str) -> None:
    async with serving() as client:
        blank = await client.post(path, json={"prompt": " "})
        long = await client.post(path, json={"prompt": "x" * (LONGEST_PROMPT + 1)})
        style = await client.post(path, json={"prompt": "a", "style": "baroque"})
    assert (blank.status_code, blank.json()) == (422, {"error": BLANK})
    assert refused(long) == (422, "invalid_input", "The prompt has 100,001 characters; 100,000 are allowed.")
    assert refused(style) == (422, "invalid_input", "There is no style 'baroque'.")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "The body is not a JSON object sent as application/json."),
        ("[]", "The body is not a JSON object sent as application/json."),
        ("{}", "body.prompt: Field required."),
        ('{"prompt": 3}', "body.prompt: Input should be a valid string."),
        ('{"prompt": "a", "variants": 0}', "body.variants: Input should be greater than or equal to 1."),
        ('{"prompt": "a", "variants": 21}', "body.variants: Input should be less than or equal to 20."),
        ('{"prompt": "a", "variants": "2"}', "body.variants: Input should be a valid integer."),
        ('{"prompt": "a", "varints": 2}', "body.varints: Extra inputs are not permitted."),
    ],
)
async def test_requests_of_another_form_are_422(body: str, message: str) -> None:
    async with serving() as client:
        answer = await client.post("/optimize", content=body, headers={"Content-Type": "application/json"})
    assert refused(answer) == (422, "invalid_input", message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"prompt": "\\ud83d"}', "body.prompt: Value error, character 0 is half of a surrogate pair."),
        (b'{"prompt": "a", "\\ud83d": 1}', "The body is not a JSON object sent as application/json."),
        (b'{"prompt": "a", "style": "\\ud83d"}', "There is no style '\\ud83d'."),
    ],
)
async def test_half_a_character_is_422(body: bytes, message: str) -> None:
    async with serving() as client:
        answer = await client.post("/optimize", content=body, headers={"Content-Type": "application/json"})
    assert refused(answer) == (422, "invalid_input", message)


async def test_an_integer_may_be_written_with_a_point() -> None:
    async with serving() as client:
        answers = [await client.post("/optimize", json={"prompt": "a", "variants": count}) for count in (2.0, 2.5)]
    assert [answer.status_code for answer in answers] == [200, 422]


async def test_an_empty_batch_and_one_of_too_many_are_422() -> None:
    async with serving() as client:
        answers = [await client.post("/optimize/batch", json={"prompts": ["a"] * count}) for count in (0, MOST_PROMPTS + 1)]
    assert [refused(answer)[:2] for answer in answers] == [(422, "invalid_input")] * 2


async def test_a_body_of_ten_megabytes_is_413_and_one_that_is_allowed_is_read() -> None:
    async with serving() as client:
        large = await client.post("/optimize", content=b"x" * 10_000_000)
        allowed = await client.post("/optimize", content=b"x" * LARGEST_BODY)
    assert refused(large) == (413, "too_large", "The request has 10,000,000 bytes or more; 4,194,304 are allowed.")
    assert allowed.status_code == 422


async def test_a_full_queue_is_429_and_empties() -> None:
    engine = Held()
    async with serving(engine, queue=2) as client:
        engine.go.clear()
        first = asyncio.create_task(client.post("/optimize", json={"prompt": "first"}))
        await asyncio.to_thread(engine.begun.wait, 10)
        waiting = asyncio.create_task(client.post("/optimize/batch", json={"prompts": ["second", "third"]}))
        while (await client.get("/health")).json()["waiting"] < 2:
            await asyncio.sleep(0.01)
        turned_away = [await client.post(path, json={"prompt": "fourth"}) for path in ("/optimize", "/optimize/stream")]
        engine.go.set()
        answers = [await first, await waiting, await client.post("/optimize", json={"prompt": "fourth"})]
    for answer in turned_away:
        assert refused(answer) == (429, "busy", "2 prompts are waiting already; 2 may.")
        assert answer.headers["retry-after"] == "2"
    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_an_adapter_that_is_not_there_is_503() -> None:
    async with serving(app=create_app(Settings(), ServerSettings(), "", broken)) as client:
        answers = [await client.post("/optimize", json={"prompt": "a"}), await client.post("/optimize/batch", json={"prompts": ["a"]})]
        health = await client.get("/health/ready")
    assert [refused(answer) for answer in answers] == [(503, "bundle", "There is no such adapter.")] * 2
    assert answers[0].headers["retry-after"] == "2"
    assert (health.status_code, health.json()["ready"], health.json()["problem"]["code"]) == (503, False, "bundle")


@pytest.mark.parametrize("error", [InvalidInput("No server is named.", "Name one."), Unavailable("Memory is short.", "Close programs.")])
async def test_health_says_why_the_network_is_not_loaded(error: PromptoptError) -> None:
    def failing(settings: Settings) -> Optimizer:
        def load(_: Settings) -> Model:
            raise error

        return Optimizer(settings, load)

    async with serving(app=create_app(Settings(), ServerSettings(), "", failing)) as client:
        await client.post("/optimize", json={"prompt": "a"})
        health = await client.get("/health")
    said = {"code": error.code, "message": error.message, "hint": error.hint}
    assert (health.status_code, health.json()["ready"], health.json()["problem"]) == (503, False, said)


async def test_a_batch_that_never_fits_into_the_queue_is_422() -> None:
    async with serving(queue=2) as client:
        answer = await client.post("/optimize/batch", json={"prompts": ["a", "b", "c"]})
    assert refused(answer) == (422, "too_large", "3 prompts came at once; 2 may wait.")


async def test_health_says_what_runs() -> None:
    async with serving() as client:
        await client.post("/optimize", json={"prompt": "a"})
        answers = [await client.get(path) for path in ("/health", "/health/ready", "/health/live")]
    expected = {"live": True, "ready": True, "version": __version__, "adapter": "golden", "waiting": 0, "problem": None}
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, expected)] * 3


async def test_a_server_that_has_stopped_is_not_ready_and_takes_nothing() -> None:
    app = create_app(Settings(), ServerSettings(), "", Held().optimizer)
    async with serving(app=app) as client:
        await client.post("/optimize", json={"prompt": "a"})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as late:
        answer, live, ready = await late.post("/optimize", json={"prompt": "a"}), await late.get("/health/live"), await late.get("/health")
    assert refused(answer) == (503, "unavailable", "The server is stopping.")
    assert (live.status_code, ready.status_code) == (200, 503)


async def test_what_is_not_there_is_404_and_another_method_405() -> None:
    async with serving() as client:
        answers = [await client.get("/nope"), await client.get("/optimize"), await client.get("/docs")]
    assert [refused(answer)[:2] for answer in answers] == [(404, "refused"), (405, "refused"), (404, "refused")]
    assert answers[1].headers["allow"] == "POST"


async def test_a_defect_is_500_and_the_next_request_is_answered() -> None:
    engine = Held()

    def defective(settings: Settings) -> Optimizer:
        made = engine.optimizer(settings)
        plain = made.batch
        made.batch = lambda prompts, stop=None: iter([1 // 0]) if "break" in prompts else plain(prompts, stop)  # type: ignore[method-assign]
        return made

    async with serving(app=create_app(Settings(), ServerSettings(), "", defective)) as client:
        broke, worked = [await client.post("/optimize", json={"prompt": prompt}) for prompt in ("break", "work")]
        counted = await client.get("/metrics")
    assert 'promptopt_requests_total{path="/optimize",status="500"} 1.0' in counted.text.splitlines()
    assert refused(broke) == (500, "error", "The server failed (ZeroDivisionError).")
    assert worked.json()["optimized_prompt"] == fake_rewrite("work")


async def test_metrics_count_requests_by_route_and_status_and_no_prompt() -> None:
    async with serving() as client:
        await client.post("/optimize", json={"prompt": "unmentionable"})
        await client.post("/optimize", json={"prompt": ""})
        await client.get("/unmentionable")
        answer = await client.get("/metrics")
    lines = answer.text.splitlines()
    assert 'promptopt_requests_total{path="/optimize",status="200"} 1.0' in lines
    assert 'promptopt_requests_total{path="/optimize",status="422"} 1.0' in lines
    assert 'promptopt_requests_total{path="other",status="404"} 1.0' in lines
    assert "promptopt_tokens_total 13.0" in lines
    assert 'promptopt_batch_prompts_bucket{le="1.0"} 1.0' in lines
    assert "unmentionable" not in answer.text


async def test_the_description_has_examples_and_every_status() -> None:
    async with serving() as client:
        description = (await client.get("/openapi.json")).json()
    assert set(description["paths"]) == {
        *("/optimize", "/optimize/batch", "/optimize/stream", "/health", "/health/live", "/health/ready", "/metrics")
    }
    responses = description["paths"]["/optimize"]["post"]["responses"]
    assert set(responses) == {"200", "400", "401", "403", "413", "421", "422", "429", "503"}
    assert description["components"]["schemas"]["Request"]["properties"]["prompt"]["examples"] == ["create function"]
    assert json.dumps(responses["422"]).count("Failure") == 1
