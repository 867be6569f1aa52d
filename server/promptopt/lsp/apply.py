"""Hands an edit to the client and tells the user when it was not taken."""

import asyncio
from collections.abc import Callable, Sequence

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from promptopt.lsp.actions import TITLE
from promptopt.lsp.delivery import Delivery, written

APPLY_TIMEOUT = 30.0
ATTEMPTS = 4


async def pick(server: LanguageServer, message: str, titles: Sequence[str]) -> int | None:
    """Which of `titles` the user picks; None when none, or when the editor cannot ask."""
    items = [types.MessageActionItem(title=title) for title in titles]
    params = types.ShowMessageRequestParams(types.MessageType.Info, message, items)
    try:
        picked = await server.window_show_message_request_async(params)
    except JsonRpcException:
        return None
    return titles.index(picked.title) if picked is not None and picked.title in titles else None


async def hand_over(server: LanguageServer, delivery: Delivery, edit: Callable[[], types.WorkspaceEdit]) -> None:
    """Has the client apply what `edit` makes of the document as it is, or shows its user the text where it applies none.

    Raises what `edit` raises.
    """
    if delivery.applies:
        await apply(server, edit)
    else:
        text = f"This editor takes no edits. The rewrite, for the place of the selection:\n\n{written(edit())}"
        server.window_show_message(types.ShowMessageParams(types.MessageType.Info, text))


async def apply(server: LanguageServer, edit: Callable[[], types.WorkspaceEdit]) -> None:
    """Sends workspace/applyEdit, and once more where the document has moved on when it is refused: its user types meanwhile.

    Any other refusal, the fourth, or no answer within half a minute is shown to the user. Raises what `edit` raises.
    """
    sent = edit()
    for _ in range(ATTEMPTS):
        request = server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit=sent, label=TITLE))
        try:
            answer = await asyncio.wait_for(request, APPLY_TIMEOUT)
        except TimeoutError:
            refused = "the editor did not answer"
            break
        if answer.applied:
            return
        refused = answer.failure_reason or "the editor gave no reason"
        anew = edit()
        if anew == sent:  # the same version and the same place
            break
        sent = anew
    server.window_show_message(types.ShowMessageParams(types.MessageType.Warning, f"The rewrite was not applied: {refused}."))
