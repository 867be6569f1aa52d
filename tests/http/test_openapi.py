"""What the OpenAPI description allows and forbids, tried at random."""

from collections.abc import Iterator

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from serving import Held
from starlette.testclient import TestClient

from promptopt.http.app import create_app
from promptopt.settings import ServerSettings, Settings

APP = create_app(Settings(), ServerSettings(allowed_hosts=("testserver",)), "", Held().optimizer)


@pytest.fixture(scope="module")
def described() -> Iterator[schemathesis.BaseSchema]:
    """The description, while the application runs."""
    app: FastAPI = APP
    with TestClient(app):
        yield schemathesis.openapi.from_asgi("/openapi.json", app)


SCHEMA = schemathesis.pytest.from_fixture("described")


@SCHEMA.parametrize()
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: schemathesis.Case) -> None:
    case.call_and_validate()
