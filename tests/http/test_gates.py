"""Who is let in: hosts, origins, tokens."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import Held, serving

from promptopt.http.app import create_app
from promptopt.http.gates import DISCARDED, FromHere, host_name, is_loopback, netloc, received
from promptopt.settings import ServerSettings, Settings

ORIGIN = "https://notes.example.org"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "localhost.", "[::1]:8000", "192.0.2.7", "prompts.example.org:8000"]
)
async def test_addresses_localhost_and_named_hosts_pass(host: str) -> None:
    async with serving(allowed_hosts=("Prompts.example.org",)) as client:
        assert (await client.get("/health/live", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["rebound.example.org:8000", "127.0.0.1.example.org", "localhost.example.org", "", "[::1", "2130706433"])
async def test_another_host_is_421_as_in_dns_rebinding(host: str) -> None:
    async with serving() as client:
        answer = await client.post("/optimize", json={"prompt": "a"}, headers={"Host": host, "Origin": f"http://{host}"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (421, f"This server is not {host!r}.")


@pytest.mark.parametrize("origin", [ORIGIN, "null", "http://127.0.0.1:3000", "http://localhost", "http://[", ""])
async def test_another_origin_is_403_and_gets_no_cors_headers(origin: str) -> None:
    async with serving() as client:
        answer = await client.post("/optimize", json={"prompt": "a"}, headers={"Origin": origin})
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, f"Pages of {origin!r} may not use this server.")
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_its_own_origin_passes() -> None:
    async with serving() as client:
        answer = await client.post("/optimize", json={"prompt": "a"}, headers={"Origin": "http://127.0.0.1:8000"})
    assert answer.status_code == 200


async def test_without_a_named_origin_there_is_no_cors() -> None:
    async with serving() as client:
        assert (await client.options("/optimize", headers=PREFLIGHT)).status_code == 403


async def test_a_named_origin_may_ask_and_read() -> None:
    async with serving(allowed_origins=(ORIGIN,), token="secret") as client:
        preflight = await client.options("/optimize", headers=PREFLIGHT)
        answer = await client.post("/optimize", json={"prompt": "a"}, headers={"Origin": ORIGIN, "Authorization": "Bearer secret"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("given", [None, "", "secret", "Basic secret", "Bearer", "Bearer Secret", "Bearer secretive", "Bearer sécret"])
async def test_without_the_token_it_is_401(given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given.encode("latin-1")}
    async with serving(token="secret") as client:
        answers = [
            await client.post("/optimize", json={"prompt": "a"}, headers=headers),  # type: ignore[arg-type]
            *[await client.get(path, headers=headers) for path in ("/metrics", "/openapi.json", "/nope")],  # type: ignore[arg-type]
        ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


@pytest.mark.parametrize(
    ("client", "status"), [(("127.0.0.1", 5), 200), (("::1", 5), 200), (("192.0.2.7", 5), 401), (("", 0), 401), (None, 401)]
)
async def test_without_a_token_only_this_machine_is_answered(client: tuple[str, int] | None, status: int) -> None:
    app = create_app(Settings(), ServerSettings(), "", Held().optimizer)
    app.add_middleware(FromHere)
    transport = httpx2.ASGITransport(app, client=client)  # type: ignore[arg-type]
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as asking:
        assert (await asking.post("/optimize", json={"prompt": "a"})).status_code == status


@pytest.mark.parametrize("given", ["Bearer secret", "bearer  secret"])
async def test_with_the_token_it_is_answered(given: str) -> None:
    async with serving(token="secret") as client:
        assert (await client.post("/optimize", json={"prompt": "a"}, headers={"Authorization": given})).status_code == 200


async def test_health_needs_no_token() -> None:
    async with serving(token="secret") as client:
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *[(host, True) for host in ("127.0.0.1", "127.8.9.1", "::1", "localhost")],
        *[(host, False) for host in ("0.0.0.0", "::", "192.0.2.7", "example.org", "")],
    ],
)
def test_what_is_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@given(st.text())
def test_no_header_is_too_odd_to_be_read(header: str) -> None:
    assert host_name(header) != "localhost" or "localhost" in header.lower()
    assert netloc(header) in header.lower()


async def test_a_body_announced_as_huge_is_not_read() -> None:
    async def receive() -> dict[str, object]:
        raise AssertionError("it was read")

    assert (await received(receive, str(DISCARDED + 1)))[1] == DISCARDED + 1


async def test_a_body_without_end_is_read_to_a_limit_only() -> None:
    chunks = [0]

    async def receive() -> dict[str, object]:
        chunks[0] += 1
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": True}

    messages, size = await received(receive, "")
    assert messages is not None
    assert (len(messages), size, chunks[0]) == (4, 17_000_000, 17)


async def test_a_client_that_leaves_amid_its_body_leaves_nothing() -> None:
    sent = iter([{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, object]:
        return next(sent)

    assert await received(receive, "") == (None, 0)
