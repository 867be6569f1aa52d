"""What the OpenAPI description allows and forbids, tried at random against a running server."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from serve_process import FAKE, started


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_as_described(mode: GenerationMode) -> None:
    with started(FAKE) as (process, address):
        description = schemathesis.openapi.from_url(f"{address}/openapi.json")
        operations = [found.ok() for found in description.get_all_operations()]
        assert len(operations) == 7
        for operation in [one for one in operations if mode is GenerationMode.POSITIVE or one.body]:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=10, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
            def holds(case: schemathesis.Case) -> None:
                if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
                    case.body.pop("style", None)  # which styles there are is not in the description
                case.call_and_validate()

            holds()
        assert process.poll() is None
