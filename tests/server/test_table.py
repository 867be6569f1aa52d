"""The table of a codec, as `promptopt.json` holds it."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from fakes import mini_codec

from promptopt.codec import Codec, Table
from promptopt.errors import BundleError
from promptopt_training.bases import FLAN_TABLE
from promptopt_training.vocabulary import TABLE

MINI = mini_codec()


def test_a_table_survives_its_json_form() -> None:
    assert [Table.from_json(asdict(table)) for table in (TABLE, FLAN_TABLE)] == [TABLE, FLAN_TABLE]


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        {**asdict(TABLE), "pointers": 3},
        {**asdict(TABLE), "pointers": None},
        {**asdict(TABLE), "more": 1},
        {key: value for key, value in asdict(TABLE).items() if key != "glue"},
        {key: value for key, value in asdict(TABLE).items() if key != "pointers"},
    ],
)
def test_a_malformed_table_is_refused(data: Any) -> None:
    with pytest.raises(BundleError, match="codec table of the adapter is malformed"):
        Table.from_json(data)


def test_a_table_of_a_kind_to_come_is_refused() -> None:
    with pytest.raises(BundleError, match="points at 'lines', which this version does not know"):
        Table.from_json({**asdict(TABLE), "points_at": "lines"})


@pytest.mark.parametrize(
    "changes",
    [{"prompt": "<no>"}, {"pointers": ("<w0>", "<no>")}, {"glue": "<no>"}, {"capital": "<no>"}, {"escape": "<no>"}, {"line_break": "<no>"}],
)
def test_a_table_with_a_piece_that_the_vocabulary_lacks_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="no piece '<no>'"):
        Codec(MINI.vocabulary, replace(TABLE, **changes))
