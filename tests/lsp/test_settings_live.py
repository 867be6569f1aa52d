"""Settings that come while the server runs: pushed, pulled, and for one workspace folder alone."""

import asyncio
from typing import Any

import pytest
from conversation import DOCUMENT, PATIENCE, PROMPT, Editor, action_for, applied, chosen, conversation, failure, opened
from fakes import fake_rewrite
from lsprotocol import types
from pytest_lsp import client_capabilities

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]


def capabilities(pull: bool) -> types.ClientCapabilities:
    """VS Code's, which pulls, or the same without."""
    made = client_capabilities("visual-studio-code")
    assert made.workspace is not None
    made.workspace.configuration = pull
    return made


async def tells(editor: Editor, settings: Any) -> None:
    """Sends the settings, and waits until the server has acted on them: the next request is answered behind."""
    editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    for _ in range(2):
        await asyncio.wait_for(action_for(editor, opened(editor)), PATIENCE)


@pytest.mark.parametrize("section", [True, False])
async def test_pushed_settings_swap_the_adapter_and_wrong_ones_are_shown(section: bool) -> None:
    async with conversation(capabilities(pull=False), PROMPTOPT_FAKE_ADAPTERS="1") as editor:
        settings = {"adapter": "other", "threads": -3}
        await tells(editor, {"promptopt": settings} if section else settings)
        edit = await chosen(editor, await action_for(editor, opened(editor)))
        other = fake_rewrite(PROMPT).replace("tester", "other").replace("\n", "\r\n")
        assert applied(DOCUMENT, edit, editor.encoding) == DOCUMENT.replace(PROMPT, other)
        problem = "promptopt.threads should be between 0 and 256, not -3; 0 is used."
        assert [message.message for message in editor.client.messages] == [problem]
        assert problem in [message.message for message in editor.client.log_messages]


async def test_pulled_settings_hold_for_their_folder() -> None:
    async with conversation(capabilities(pull=True), PROMPTOPT_FAKE_ADAPTERS="1") as editor:
        editor.client.set_configuration({"promptopt": {"adapter": "first"}})
        await tells(editor, None)
        edit = await chosen(editor, await action_for(editor, opened(editor)))
        first = fake_rewrite(PROMPT).replace("tester", "first").replace("\n", "\r\n")
        assert applied(DOCUMENT, edit, editor.encoding) == DOCUMENT.replace(PROMPT, first)


@pytest.mark.parametrize("folder", ["file:///notes", "file:///no%74es"])
async def test_a_folder_that_joins_later_has_settings_of_its_own(folder: str) -> None:
    async with conversation(capabilities(pull=True), PROMPTOPT_FAKE_ADAPTERS="1") as editor:
        editor.client.set_configuration({"promptopt": {"adapter": "everywhere"}})
        editor.client.set_configuration({"promptopt": {"adapter": "here"}}, scope_uri=folder)
        folders = [types.WorkspaceFolder(uri, uri) for uri in (folder, "file:///other")]
        event = types.WorkspaceFoldersChangeEvent(added=folders, removed=[])
        editor.client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))
        for _ in range(2):
            await asyncio.wait_for(action_for(editor, opened(editor)), PATIENCE)
        edit = await chosen(editor, await action_for(editor, opened(editor)))
        here = fake_rewrite(PROMPT).replace("tester", "here").replace("\n", "\r\n")
        assert applied(DOCUMENT, edit, editor.encoding) == DOCUMENT.replace(PROMPT, here)


async def test_an_adapter_that_is_not_there_is_named() -> None:
    async with conversation(capabilities(pull=False), {"adapter": "nowhere"}, PROMPTOPT_FAKE_ADAPTERS="1") as editor:
        error = await failure(asyncio.ensure_future(chosen(editor, await action_for(editor, opened(editor)))))
        assert (error.code, error.message) == (
            -32803,
            "There is no adapter 'nowhere'. Give a folder, owner/name on the Hub, or one of: concise, golden, markdown, xml.",
        )
