"""Which actions a selection gets, and in which shape."""

from collections.abc import Sequence
from dataclasses import asdict

import pytest
from lsprotocol import types
from pytest_lsp import client_capabilities

from promptopt.lsp.actions import KIND, OPTIMIZE, TITLE, VARIANTS, Request, request_at, wanted
from promptopt.lsp.actions import code_actions as all_actions
from promptopt.lsp.delivery import Delivery
from promptopt.lsp.selection import Selection, Source

URI = "file:///notes/a%20b.md"
DOCUMENT = "😀 create function\n\nsecond part\nof it\n"
LAZY = Delivery(resolves=True, versioned=True, progress=True)
DATA = {"uri": URI, "version": 4, "start": 2, "text": "create function", "adapter": "", "movable": True}
ASKED_FOR = [
    (None, True),
    (["refactor"], True),
    (["refactor.rewrite"], True),
    ([types.CodeActionKind.Refactor], True),
    ([types.CodeActionKind.RefactorRewrite], True),
    ([""], True),
    ([types.CodeActionKind.Empty], True),
    (["quickfix", "refactor"], True),
    (["source", "refactor.rewrite"], True),
    ([], False),
    (["quickfix"], False),
    ([types.CodeActionKind.QuickFix], False),
    (["source"], False),
    (["refactor.extract"], False),
    (["refactor.rewrite.function"], False),
    (["refactor.rew"], False),
    (["ref"], False),
    (["Refactor"], False),
    (["quickfix", "source.organizeImports"], False),
]


def asked(start: tuple[int, int], end: tuple[int, int], only: Sequence[types.CodeActionKind | str] | None = None) -> types.CodeActionParams:
    return types.CodeActionParams(
        types.TextDocumentIdentifier(URI),
        types.Range(types.Position(*start), types.Position(*end)),
        types.CodeActionContext(diagnostics=[], only=only),
    )


def code_actions(
    params: types.CodeActionParams, document: str, version: int | None, encoding: str, delivery: Delivery
) -> list[types.CodeAction]:
    """The actions but the last, that for variants."""
    actions = all_actions(params, Source(document), version, encoding, delivery)
    assert all(action.title == f"{TITLE}: variants…" for action in actions[-1:])
    return actions[:-1]


def offered(start: tuple[int, int], end: tuple[int, int], encoding: str = "utf-16", document: str = DOCUMENT) -> list[object]:
    """The data of the actions that a selection gets."""
    return [action.data for action in code_actions(asked(start, end), document, 4, encoding, LAZY)]


@pytest.mark.parametrize(("only", "expected"), ASKED_FOR)
def test_the_action_is_wanted_for_its_kind_and_the_kinds_above_it(only: list[str] | None, expected: bool) -> None:
    assert wanted(types.CodeActionContext(diagnostics=[], only=only)) is expected


@pytest.mark.parametrize(("only", "expected"), ASKED_FOR)
def test_actions_are_offered_only_where_wanted(only: list[str] | None, expected: bool) -> None:
    actions = code_actions(asked((0, 3), (0, 18), only), DOCUMENT, 4, "utf-16", LAZY)
    assert [action.data for action in actions] == [DATA] * expected


def test_an_automatic_request_without_a_selection_gets_nothing() -> None:
    params = asked((0, 3), (0, 3))
    params.context.trigger_kind = types.CodeActionTriggerKind.Automatic
    assert code_actions(params, DOCUMENT, 4, "utf-16", LAZY) == []


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 5), ("utf-16", 3), ("utf-32", 2)])
def test_the_selection_is_read_in_the_agreed_encoding(encoding: str, column: int) -> None:
    assert offered((0, column), (0, column + 15), encoding) == [DATA]


def test_a_selection_made_backwards_is_the_same_selection() -> None:
    assert offered((0, 18), (0, 3)) == [DATA]


@pytest.mark.parametrize(("start", "end"), [((0, 3), (0, 3)), ((1, 0), (1, 0)), ((9, 9), (9, 9)), ((0, 18), (0, 99))])
def test_an_empty_selection_gets_nothing(start: tuple[int, int], end: tuple[int, int]) -> None:
    assert offered(start, end) == []


@pytest.mark.parametrize(("start", "end"), [((0, 18), (2, 0)), ((0, 2), (0, 3))])
def test_white_space_gets_nothing_or_its_paragraph(start: tuple[int, int], end: tuple[int, int]) -> None:
    whole = {"uri": URI, "version": 4, "start": 0, "text": "😀 create function", "adapter": "", "movable": True}
    assert offered(start, end) == ([] if start[0] != end[0] else [whole])


def test_white_space_alone_gets_nothing_whatever_its_kind() -> None:
    assert offered((0, 0), (2, 1), document=" \t\n\u2028\r\n ") == []


@pytest.mark.parametrize("end", [(2, 1), (3, 1)])
def test_one_character_gets_its_paragraph(end: tuple[int, int]) -> None:
    assert offered((end[0], 0), end) == [
        {"uri": URI, "version": 4, "start": 19, "text": "second part\nof it", "adapter": "", "movable": True}
    ]


def test_a_client_that_resolves_gets_a_lazy_action() -> None:
    expected = types.CodeAction(title=TITLE, kind=types.CodeActionKind.RefactorRewrite, data=DATA)
    for client in ("neovim", "visual-studio-code"):
        delivery = Delivery.of(client_capabilities(client))
        assert code_actions(asked((0, 3), (0, 18)), DOCUMENT, 4, "utf-16", delivery) == [expected]


@pytest.mark.parametrize("capabilities", [client_capabilities("emacs"), types.ClientCapabilities()])
def test_a_client_that_does_not_resolve_gets_a_command(capabilities: types.ClientCapabilities) -> None:
    command = types.Command(title=TITLE, command=OPTIMIZE, arguments=[DATA])
    expected = types.CodeAction(title=TITLE, kind=types.CodeActionKind.RefactorRewrite, command=command)
    assert code_actions(asked((0, 3), (0, 18)), DOCUMENT, 4, "utf-16", Delivery.of(capabilities)) == [expected]


def test_the_names_that_clients_rely_on() -> None:
    assert (TITLE, KIND.value, OPTIMIZE) == ("Optimize prompt", "refactor.rewrite", "promptopt.optimize")


def test_a_request_comes_back_from_its_json_as_it_was() -> None:
    request = Request(URI, 4, 2, "create function")
    assert Request.from_json(asdict(request)) == request
    assert request.selection == Selection(2, "create function")


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "text",
        7,
        {},
        {"uri": URI, "version": 4, "start": 2},
        {"uri": URI, "text": "x"},
        {"start": 2, "text": "x"},
        {**DATA, "uri": None},
        {**DATA, "version": "4"},
        {**DATA, "start": "2"},
        {**DATA, "start": 2.0},
        {**DATA, "start": True},
        {**DATA, "start": -1},
        {**DATA, "text": ["x"]},
        {**DATA, "text": ""},
        {**DATA, "movable": 1},
        {**DATA, "text": " \n"},
    ],
)
def test_data_of_another_kind_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"^not a request for a rewrite$"):
        Request.from_json(data)


def test_there_is_an_action_for_each_style_when_there_are_several() -> None:
    styles = ["concise", "golden"]
    actions = all_actions(asked((0, 3), (0, 18)), Source(DOCUMENT), 4, "utf-16", LAZY, styles)
    assert [action.title for action in actions] == [TITLE, f"{TITLE} as concise", f"{TITLE} as golden", f"{TITLE}: variants…"]
    assert [action.data for action in actions[:3]] == [DATA, {**DATA, "adapter": "concise"}, {**DATA, "adapter": "golden"}]
    assert len(all_actions(asked((0, 3), (0, 18)), Source(DOCUMENT), 4, "utf-16", LAZY, styles[:1])) == 2


def test_variants_are_chosen_by_a_command() -> None:
    last = all_actions(asked((0, 3), (0, 18)), Source(DOCUMENT), 4, "utf-16", LAZY)[-1]
    assert last.command == types.Command(title=f"{TITLE}: variants…", command=VARIANTS, arguments=[DATA])
    assert (last.data, last.kind) == (None, KIND)


@pytest.mark.parametrize("disabled", [True, False])
def test_a_selection_without_one_meaning_is_disabled_where_the_client_shows_that(disabled: bool) -> None:
    delivery = Delivery(resolves=True, versioned=True, progress=True, disabled=disabled)
    actions = all_actions(asked((0, 5), (0, 8)), Source('x = b"create"', "python"), 4, "utf-16", delivery)
    if disabled:
        reason = "The selection is in a Python bytes literal, which holds bytes and no text. Move the prompt into an ordinary string."
        assert actions == [types.CodeAction(TITLE, KIND, disabled=types.CodeActionDisabled(reason))]
    else:
        assert [action.disabled for action in actions] == [None, None]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ((0, 3), Request(URI, 4, 0, "😀 create function", movable=True)),
        ((0, 18), Request(URI, 4, 2, "create function", movable=True)),
        ((0, 4), Request(URI, 4, 0, "😀 create function", movable=True)),
        ((0, 5), Request(URI, 4, 2, "cr")),
    ],
)
def test_a_command_takes_the_selection_or_else_the_paragraph(end: tuple[int, int], expected: Request) -> None:
    range_ = types.Range(types.Position(0, 3), types.Position(*end))
    assert request_at(Source(DOCUMENT), URI, 4, range_, "utf-16") == expected


def test_a_command_in_white_space_takes_nothing() -> None:
    nowhere = types.Range(types.Position(0, 0), types.Position(0, 0))
    assert request_at(Source("  \n"), URI, 4, nowhere, "utf-16") is None
