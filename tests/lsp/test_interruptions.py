"""Cancelled, superseded and stale rewrites."""

import asyncio
import uuid

import pytest
from conversation import DOCUMENT, PROMPT, REWRITE, Editor, action_for, applied, begun, changed, chosen, failure, kinds, opened
from lsprotocol import types

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]


async def test_a_cancelled_request_is_answered_so_and_the_next_rewrite_is_right(editor: Editor) -> None:
    uri = opened(editor)
    action = await action_for(editor, uri)
    request_id = str(uuid.uuid4())
    task, token = await begun(editor, action, request_id)
    editor.client.cancel_request(types.CancelParams(id=request_id))
    assert (await failure(task)).code == -32800
    edit = await chosen(editor, await action_for(editor, uri))
    assert applied(DOCUMENT, edit, editor.encoding) == DOCUMENT.replace(PROMPT, REWRITE)
    assert kinds(editor, token)[-1] == "end"
    assert editor.edits == []


async def test_a_cancelled_progress_stops_the_rewrite(editor: Editor) -> None:
    uri = opened(editor)
    task, token = await begun(editor, await action_for(editor, uri))
    editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    error = await failure(task)
    assert (error.code, error.message) == (-32802, "The rewrite was cancelled.")
    assert kinds(editor, token)[-1] == "end"
    assert editor.edits == []


async def test_a_second_request_for_the_same_place_takes_over_from_the_first(editor: Editor) -> None:
    action = await action_for(editor, opened(editor))
    first, _ = await begun(editor, action)
    second = asyncio.ensure_future(chosen(editor, action))
    assert (await failure(first)).code == -32802
    assert applied(DOCUMENT, await second, editor.encoding) == DOCUMENT.replace(PROMPT, REWRITE)


async def test_requests_for_two_places_are_both_answered(code: Editor) -> None:
    one, two = await action_for(code, opened(code)), await action_for(code, opened(code))
    edits = await asyncio.gather(chosen(code, one), chosen(code, two))
    expected = DOCUMENT.replace(PROMPT, REWRITE)
    assert [applied(DOCUMENT, edit, code.encoding) for edit in edits] == [expected, expected]


async def test_a_rewrite_goes_to_where_its_prompt_has_moved(editor: Editor) -> None:
    uri = opened(editor)
    task, _ = await begun(editor, await action_for(editor, uri))
    now = "😀 a new first line\r\n" + DOCUMENT.replace("say", "please write")
    changed(editor, uri, now)
    edit = await task
    assert applied(now, edit, editor.encoding) == now.replace(PROMPT, REWRITE)
    if edit.document_changes:
        assert edit.document_changes[0].text_document.version == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("now", ["", DOCUMENT.replace(PROMPT, "create a function"), f"{PROMPT}\n{DOCUMENT}"])
async def test_a_prompt_that_changed_or_stands_twice_is_left_alone(code: Editor, now: str) -> None:
    uri = opened(code)
    task, token = await begun(code, await action_for(code, uri))
    changed(code, uri, now)
    error = await failure(task)
    assert error.code == -32801
    assert error.message == "The selected text has changed meanwhile; nothing was replaced. Select it and try again."
    assert kinds(code, token)[-1] == "end"


async def test_a_command_on_a_prompt_that_changed_edits_nothing(emacs: Editor) -> None:
    uri = opened(emacs)
    task, _ = await begun(emacs, await action_for(emacs, uri))
    changed(emacs, uri, "something else")
    assert (await failure(task)).code == -32801
    assert emacs.edits == []


async def test_a_document_that_was_closed_meanwhile_is_left_alone(code: Editor) -> None:
    uri = opened(code)
    task, _ = await begun(code, await action_for(code, uri))
    code.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    error = await failure(task)
    assert (error.code, error.message) == (-32801, "The document is not open any more.")


async def test_a_prompt_that_changed_before_the_request_is_refused_at_once(code: Editor) -> None:
    uri = opened(code)
    action = await action_for(code, uri)
    changed(code, uri, "nothing of it")
    shown = len(code.client.progress_reports)
    assert (await failure(asyncio.ensure_future(chosen(code, action)))).code == -32801
    assert len(code.client.progress_reports) == shown
