"""Whatever is posted, the answer is a result or an error of the described form, never a defect, and the next prompt is rewritten."""

import asyncio
import json
from typing import Any

import pytest
from fakes import fake_rewrite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import serving

BOUNDED = settings(max_examples=40, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5
)
OBJECTS = st.fixed_dictionaries({}, optional={name: JSON | st.just("a b") for name in ("prompt", "prompts", "style", "variants")})
KINDS = st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data; boundary=x"])
PATHS = st.sampled_from(["/optimize", "/optimize/batch", "/optimize/stream"])


def posted(path: str, body: bytes, kind: str) -> tuple[int, Any]:
    """Status and body of the answer; the next prompt on the same server is rewritten."""

    async def talk() -> tuple[int, Any]:
        async with serving() as client:
            answer = await client.post(path, content=body, headers={"Content-Type": kind})
            after = await client.post("/optimize", json={"prompt": "create function"})
            assert after.json()["optimized_prompt"] == fake_rewrite("create function")
            return answer.status_code, answer.json() if answer.status_code != 200 or path != "/optimize/stream" else {}

    return asyncio.run(talk())


@BOUNDED
@given(path=PATHS, body=st.binary(max_size=60) | (OBJECTS | JSON).map(lambda value: json.dumps(value).encode()), kind=KINDS)
def test_a_body_is_answered_or_refused(path: str, body: bytes, kind: str) -> None:
    status, answer = posted(path, body, kind)
    assert status in (200, 400, 422)
    if status != 200:
        assert set(answer["error"]) == {"code", "message", "hint"}


@pytest.mark.parametrize("path", ["/optimize", "/optimize/batch", "/optimize/stream"])
@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"prompt": ' + b"[" * 100_000, b"9" * 5_000, b'{"prompt": "\\ud800"}'], ids=lambda body: body[:11].decode()
)
def test_json_that_python_cannot_hold_is_refused(path: str, body: bytes) -> None:
    status, answer = posted(path, body, "application/json")
    assert status in (400, 422)
    assert answer["error"]["message"]
