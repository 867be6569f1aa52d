"""Choosing among variants, from the action to the edit, for a client that resolves actions and for one that does not."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from conversation import DOCUMENT, PROMPT, REWRITE, Editor, applied, capabilities_of, changed, conversation, offered, opened
from lsprotocol import types
from pygls.exceptions import JsonRpcException

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]
RESOLVES = {"visual-studio-code": True, "emacs": False}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=RESOLVES)
async def drawing(request: pytest.FixtureRequest) -> AsyncIterator[Editor]:
    """An editor whose server writes another persona at each draw."""
    async with conversation(capabilities_of(request.param), PROMPTOPT_FAKE_DRAWS="1") as started:
        capability = capabilities_of(request.param).text_document
        assert capability is not None
        assert capability.code_action is not None
        assert bool(capability.code_action.resolve_support) is RESOLVES[request.param]
        yield started


async def run(editor: Editor, uri: str) -> object:
    """What the command of the last action answers; the action is resolved first where there is a resolving client."""
    action = (await offered(editor, uri))[-1]
    assert (action.title, action.edit) == ("Optimize prompt: variants…", None)
    if editor.encoding != "utf-32":  # VS Code, Neovim and Helix resolve each action that has no edit, also one with a command
        assert await editor.client.code_action_resolve_async(action) == action
    assert action.command is not None
    assert action.command.command == "promptopt.variants"
    return await editor.client.workspace_execute_command_async(types.ExecuteCommandParams(action.command.command, action.command.arguments))


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_the_variant_that_is_picked_takes_the_place_of_the_prompt(drawing: Editor, number: int) -> None:
    drawing.choose = lambda items: items[number]
    drawing.choices.clear()
    uri = opened(drawing)
    assert await run(drawing, uri) is None
    assert drawing.choices == [[f"{seed + 1}. Act as a tester {seed}. Task: create function Goal: A passing tes…" for seed in range(3)]]
    (edit,) = drawing.edits
    drawing.edits.clear()
    assert applied(DOCUMENT, edit, drawing.encoding) == DOCUMENT.replace(PROMPT, REWRITE.replace("tester", f"tester {number}"))
    (change,) = edit.document_changes or ()
    assert isinstance(change, types.TextDocumentEdit)
    assert change.text_document == types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=1)


async def test_nothing_is_edited_when_none_is_picked(drawing: Editor) -> None:
    drawing.choose = lambda items: None
    assert await run(drawing, opened(drawing)) is None
    assert drawing.edits == []


async def test_nothing_is_edited_when_the_text_changes_while_the_user_thinks(drawing: Editor) -> None:
    uri = opened(drawing)

    def edit_and_pick(items: list[types.MessageActionItem]) -> types.MessageActionItem:
        changed(drawing, uri, "something else")
        return items[1]

    drawing.choose = edit_and_pick
    with pytest.raises(JsonRpcException) as caught:
        await run(drawing, uri)
    assert caught.value.code == -32801
    assert drawing.edits == []


async def test_an_editor_that_cannot_ask_gets_no_edit(drawing: Editor) -> None:
    def fail(items: list[types.MessageActionItem]) -> None:
        raise JsonRpcException("Nobody is there to be asked.", -32603)

    drawing.choose = fail
    assert await run(drawing, opened(drawing)) is None
    assert drawing.edits == []
