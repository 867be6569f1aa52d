"""Hands an edit to the client and tells the user when it was not taken."""

import asyncio

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from promptopt.lsp.actions import TITLE

APPLY_TIMEOUT = 30.0


async def apply(server: LanguageServer, edit: types.WorkspaceEdit) -> None:
    """Sends workspace/applyEdit; a refusal, or no answer within half a minute, is shown to the user."""
    request = server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit=edit, label=TITLE))
    try:
        answer = await asyncio.wait_for(request, APPLY_TIMEOUT)
    except TimeoutError:
        refused = "the editor did not answer"
    else:
        if answer.applied:
            return
        refused = answer.failure_reason or "the editor gave no reason"
    server.window_show_message(types.ShowMessageParams(types.MessageType.Warning, f"The rewrite was not applied: {refused}."))
