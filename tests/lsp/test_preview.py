"""A rewrite that the client sees growing, and applies itself."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_lsp
from fakes import LEAD, TAIL, fake_rewrite, mini_codec
from processes import FAKE, PROMPT, URI, Message, answer_to, asked, ended, initialized, messages, previewed, send, started, token_of

from promptopt.lsp.preview import Wish

VS_CODE = Path(pytest_lsp.__file__).parent / "clients" / "visual_studio_code_v1.65.2.json"
FRAMED = fake_rewrite(PROMPT).replace("\n\n", "\n>\n> ")
RANGE = {"start": {"line": 0, "character": 2}, "end": {"line": 0, "character": 2 + len(PROMPT)}}
DATA = {"textDocument": {"uri": URI, "version": 3}, "range": RANGE, "adapter": "golden", "token": "grow"}
SLOW = "0.06"  # seconds per piece, more than lie between two states


def vs_code() -> Message:
    declared: Message = json.loads(VS_CODE.read_text(encoding="utf-8"))["capabilities"]
    return declared


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A server on a slow network, in conversation with VS Code."""
    with started([*FAKE, "--stdio", "--log-level", "debug"], PROMPTOPT_FAKE_DELAY=SLOW) as started_one:
        initialized(started_one, capabilities=vs_code())
        yield started_one
        status, log, rest = ended(started_one, 1000)
        assert (status, [message for message in rest if "id" in message]) == (0, [])
        assert not [phrase for phrase in ("zebra", "unmentionable", "Act as") if phrase in log]


def grown(seen: list[Message], token: str) -> list[dict[str, Any]]:
    """What was told under a preview's token."""
    return [message["params"]["value"] for message in seen if message.get("method") == "$/progress" and token_of(message) == token]


def until_grown(process: subprocess.Popen[bytes], token: str) -> Message:
    """The next state of a preview."""
    return next(message for message in messages(process) if message.get("method") == "$/progress" and token_of(message) == token)


def test_the_rewrite_is_told_as_it_grows_and_the_edit_is_returned_and_not_applied(process: subprocess.Popen[bytes]) -> None:
    seen: list[Message] = []
    previewed(process, 2, "whole")
    result = answer_to(process, 2, seen)["result"]
    codec = mini_codec()
    count = len([*codec.plain(LEAD), codec.prompt, *codec.plain(TAIL)])
    states = grown(seen, "whole")
    assert [sorted(state) for state in states] == [["text", "tokens"]] * count
    assert [state["tokens"] for state in states] == list(range(1, count + 1))
    assert [state["text"] for state in states] == [fake_rewrite(PROMPT)[: len(state["text"])] for state in states]
    assert [len(state["text"]) for state in states] == sorted(len(state["text"]) for state in states)
    assert states[-1]["text"] == fake_rewrite(PROMPT)
    change = {"textDocument": {"uri": URI, "version": 1}, "edits": [{"range": RANGE, "newText": FRAMED}]}
    assert sorted(result) == ["confidence", "edit", "seconds", "text", "tokens"]
    assert result["edit"] == {"documentChanges": [change]}
    assert (result["text"], result["tokens"]) == (fake_rewrite(PROMPT), count + 1)
    assert result["confidence"] == pytest.approx(0.475, abs=0.001)
    assert result["seconds"] >= count * float(SLOW)
    assert [message["method"] for message in seen if message.get("method") == "workspace/applyEdit"] == []
    work = grown(seen, "work of whole")
    assert (work[0]["kind"], work[-1]["kind"]) == ("begin", "end")


@pytest.mark.parametrize("way", ["request", "progress", "newer"])
def test_a_preview_is_cancelled_as_every_rewrite_is(process: subprocess.Popen[bytes], way: str) -> None:
    number = {"request": 10, "progress": 20, "newer": 30}[way]
    previewed(process, number, way)
    assert until_grown(process, way)["params"]["value"] == {"text": "Act as", "tokens": 1}
    if way == "request":
        send(process, method="$/cancelRequest", params={"id": number})
    elif way == "progress":
        send(process, method="window/workDoneProgress/cancel", params={"token": f"work of {way}"})
    else:
        asked(process, number + 1)
    seen: list[Message] = []
    assert answer_to(process, number, seen)["error"]["code"] == (-32800 if way == "request" else -32802)
    if way == "newer":
        assert answer_to(process, number + 1, seen)["result"] is None
    behind: list[Message] = []
    send(process, id=number + 2, method="test/written", params={})
    now, idle = answer_to(process, number + 2, behind)["result"]
    assert idle - now <= 1
    assert grown(behind, way) == []


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"textDocument": {"uri": URI, "version": 7}}, -32801, "The document has changed meanwhile; select the text and try again."),
        ({"textDocument": {"uri": "file:///notes/b.md"}}, -32801, "The document is not open any more."),
        ({"textDocument": None}, -32602, "promptopt.preview takes {textDocument: {uri, version}, range, adapter, token}."),
        ({"token": None}, -32602, "promptopt.preview takes {textDocument: {uri, version}, range, adapter, token}."),
        ({"range": {"start": {}}}, -32602, "These arguments do not come from promptopt's own code action."),
    ],
)
def test_what_cannot_be_previewed_is_refused(process: subprocess.Popen[bytes], changes: Message, code: int, message: str) -> None:
    seen: list[Message] = []
    previewed(process, 40, "refused", **changes)
    error = answer_to(process, 40, seen)["error"]
    assert (error["code"], error["message"]) == (code, message)
    assert grown(seen, "refused") == []


def test_a_prompt_that_changes_meanwhile_gives_no_edit() -> None:
    with started([*FAKE, "--stdio"], PROMPTOPT_FAKE_DELAY=SLOW) as process:
        initialized(process, capabilities=vs_code())
        previewed(process, 2, "stale")
        until_grown(process, "stale")
        change = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": "something else"}]}
        send(process, method="textDocument/didChange", params=change)
        assert answer_to(process, 2)["error"]["code"] == -32801


def test_a_client_without_versions_names_an_adapter_and_gets_its_rewrite() -> None:
    with started([*FAKE, "--stdio"], PROMPTOPT_FAKE_ADAPTERS="1") as process:
        initialized(process)
        previewed(process, 2, "other", adapter="other", textDocument={"uri": URI})
        result = answer_to(process, 2)["result"]
        assert result["text"] == fake_rewrite(PROMPT).replace("tester", "other")
        assert result["edit"] == {"changes": {URI: [{"range": RANGE, "newText": FRAMED.replace("tester", "other")}]}}
        previewed(process, 3, "nowhere", adapter="nowhere")
        error = answer_to(process, 3)["error"]
        assert (error["code"], error["message"]) == (
            -32803,
            "There is no adapter 'nowhere'. Give a folder, owner/name on the Hub, or one of: concise, golden, markdown, xml.",
        )


def test_a_wish_is_read() -> None:
    assert Wish.from_json(DATA) == Wish(URI, 3, RANGE, "golden", "grow")
    least = {"textDocument": {"uri": URI}, "range": RANGE, "token": 7}
    assert Wish.from_json(least) == Wish(URI, None, RANGE, "", 7)
    assert Wish.from_json({**least, "adapter": None}).adapter == ""


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "text",
        {},
        {**DATA, "textDocument": URI},
        {**DATA, "textDocument": {"version": 3}},
        {**DATA, "textDocument": {"uri": URI, "version": "3"}},
        {**DATA, "textDocument": {"uri": URI, "version": True}},
        {**DATA, "range": [0, 1]},
        {**DATA, "adapter": 3},
        {**DATA, "token": None},
        {**DATA, "token": True},
        {**DATA, "token": 1.5},
    ],
)
def test_a_wish_of_another_kind_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"^not a wish for a preview$"):
        Wish.from_json(data)
