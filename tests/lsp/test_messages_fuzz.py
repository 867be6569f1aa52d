"""Whatever a client sends, each request is answered once, the process lives, the document is intact and the next rewrite is right."""

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import fake_rewrite
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from processes import FAKE, PROMPT, URI, Message, ended, initialized, read, send, started

METHODS = (
    *("textDocument/codeAction", "codeAction/resolve", "workspace/executeCommand", "textDocument/hover", "workspace/symbol"),
    *("$/unknown", "promptopt/none", "test/written", "textDocument/didOpen", "", "\u2028"),
)
NOTIFICATIONS = (
    *("textDocument/didOpen", "textDocument/didChange", "textDocument/didClose", "textDocument/didSave", "$/cancelRequest"),
    *("$/setTrace", "window/workDoneProgress/cancel", "workspace/didChangeConfiguration", "workspace/didChangeWorkspaceFolders"),
    *("notebookDocument/didOpen", "notebookDocument/didClose", "initialized", "$/unknown", "promptopt/none", "workspace/executeCommand"),
)
PATIENCE = 20.0
NUMBERS = iter(range(1000, 10**9))
RANGE = {"start": {"line": 0, "character": 2}, "end": {"line": 0, "character": 2 + len(PROMPT)}}
OTHER = "file:///notes/other.md"
NUMBERS_AND_NAUGHTS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
ODD = st.sampled_from([0, -1, 2**31, 2**63, 10**400, OTHER, "golden", "file:///%", "file://[", "\udc80", "x" * 100_000])
LEAVES = NUMBERS_AND_NAUGHTS | ODD | st.text(max_size=20)
NAMES = st.sampled_from(
    "textDocument uri range start end line character context only command arguments data version text adapter token id position changes "
    "contentChanges settings promptopt threads event added removed value kind diagnostics workDoneToken jsonrpc method params".split()
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5), max_leaves=12
)
RIGHT: dict[str, Any] = {
    "textDocument/codeAction": {"textDocument": {"uri": OTHER}, "range": RANGE, "context": {"diagnostics": []}},
    "codeAction/resolve": {"title": "Optimize prompt", "data": {"uri": OTHER, "version": 1, "start": 0, "text": "x", "adapter": ""}},
    "workspace/executeCommand": {"command": "promptopt.optimize", "arguments": [{"uri": OTHER, "range": RANGE}]},
    "textDocument/didOpen": {"textDocument": {"uri": OTHER, "languageId": "markdown", "version": 1, "text": "x"}},
    "textDocument/didChange": {"textDocument": {"uri": OTHER, "version": 2}, "contentChanges": [{"text": "y"}]},
    "textDocument/didClose": {"textDocument": {"uri": OTHER}},
    "workspace/didChangeConfiguration": {"settings": {"promptopt": {"threads": 1}}},
    "workspace/didChangeWorkspaceFolders": {"event": {"added": [], "removed": []}},
    "$/cancelRequest": {"id": 1},
}


@st.composite
def damaged(draw: st.DrawFn, value: Any) -> Any:
    """`value` with one part of it, at any depth, replaced, taken away or added to."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    places: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    place = draw(st.sampled_from(places))
    changed = dict(value) if isinstance(value, dict) else list(value)
    if isinstance(changed, dict) and draw(st.integers(0, 4)) == 0:
        del changed[place]
    else:
        changed[place] = draw(damaged(value[place]))
    return changed


@st.composite
def requests(draw: st.DrawFn) -> Message:
    method = draw(st.sampled_from(METHODS))
    message: Message = {"method": method}
    if draw(st.integers(0, 9)):
        message["params"] = draw(damaged(RIGHT.get(method)))
    return message


@st.composite
def notifications(draw: st.DrawFn) -> Message:
    method = draw(st.sampled_from(NOTIFICATIONS))
    return {"method": method, **({"params": draw(damaged(RIGHT.get(method)))} if draw(st.integers(0, 9)) else {})}


class Talk:
    """A conversation with one process; a thread reads, so that an answer that never comes is a failure and not a standstill."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.answers: dict[Any, list[Message]] = {}
        self.seen: queue.Queue[Message | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while (message := read(self.process.stdout)) is not None:
            self.seen.put(message)
        self.seen.put(None)

    def raw(self, body: bytes, header: bytes = b"") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write((header or b"Content-Length: %d\r\n\r\n" % len(body)) + body)
        self.process.stdin.flush()

    def answer(self, number: int) -> Message:
        """The only answer to a request; what the server asks meanwhile is answered with null."""
        while number not in self.answers:
            message = self.seen.get(timeout=PATIENCE)
            assert message is not None, "the server has ended"
            if "method" not in message:
                self.answers.setdefault(message["id"], []).append(message)
            elif "id" in message:
                send(self.process, id=message["id"], result={"applied": True} if message["method"] == "workspace/applyEdit" else None)
        (answer,) = self.answers[number]
        assert ("result" in answer) != ("error" in answer)
        return answer

    def ask(self, message: Message) -> Message:
        number = next(NUMBERS)
        send(self.process, id=number, **message)
        return self.answer(number)

    def lives(self) -> None:
        """A request for what the network wrote comes back, and the document still gives its action."""
        assert len(self.ask({"method": "test/written", "params": {}})["result"]) == 2
        params = {"textDocument": {"uri": URI}, "range": RANGE, "context": {"diagnostics": []}}
        actions = self.ask({"method": "textDocument/codeAction", "params": params})["result"]
        assert actions[0]["command"]["arguments"][0]["text"] == PROMPT

    def rewrites(self) -> None:
        """A rewrite of the document is right."""
        number = next(NUMBERS)
        data = {"uri": URI, "start": 2, "text": PROMPT, "movable": True}
        send(self.process, id=number, method="workspace/executeCommand", params={"command": "promptopt.optimize", "arguments": [data]})
        while (message := self.seen.get(timeout=PATIENCE)) is not None:
            if message.get("method") == "workspace/applyEdit":
                (change,) = message["params"]["edit"]["changes"][URI]
                assert change == {"range": RANGE, "newText": fake_rewrite(PROMPT).replace("\n\n", "\n>\n> ")}
                send(self.process, id=message["id"], result={"applied": True})
            if message.get("id") == number:
                assert message["result"] is None
                return
        raise AssertionError("the server has ended")


@pytest.fixture(scope="module")
def talk() -> Iterator[Talk]:
    with started([*FAKE, "--stdio"]) as process:
        initialized(process)
        drain = threading.Thread(target=lambda: process.stderr and process.stderr.read(), daemon=True)
        drain.start()
        made = Talk(process)
        yield made
        made.rewrites()
        assert made.ask({"method": "shutdown"})["result"] is None
        send(process, method="exit")
        assert process.wait(60) == 0


BOUNDED = settings(max_examples=60, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@BOUNDED
@given(message=requests())
def test_every_request_is_answered(talk: Talk, message: Message) -> None:
    talk.ask(message)
    talk.lives()


@BOUNDED
@given(message=notifications())
def test_no_notification_is_too_odd(talk: Talk, message: Message) -> None:
    send(talk.process, **message)
    talk.lives()


@BOUNDED
@given(body=st.binary(min_size=1, max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_body_that_is_no_message_is_passed_over(talk: Talk, body: bytes) -> None:
    talk.raw(body)
    talk.lives()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"9" * 10_000,
        b'{"jsonrpc": "2.0", "method": "x", "params": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"jsonrpc": "1.0", "id": 5, "method": "shutdown"}',
        b'{"jsonrpc": "2.0"}',
        b'{"jsonrpc": "2.0", "id": null, "method": "textDocument/codeAction"}',
        b'{"jsonrpc": "2.0", "id": {"a": 1}, "method": "textDocument/codeAction", "params": []}',
        b'{"jsonrpc": "2.0", "id": 99999, "result": {"a": 1}}',
        b'{"jsonrpc": "2.0", "id": 99999, "error": 7}',
        b'[{"jsonrpc": "2.0", "id": 5, "method": "shutdown"}]',
        b"\xff\xfe{\x00",
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_an_odd_body_is_passed_over(talk: Talk, body: bytes) -> None:
    talk.raw(body)
    talk.lives()


@pytest.mark.parametrize(
    "header",
    [b"Content-Length: 0\r\n\r\n", b"Content-Length: -5\r\n\r\n", b"Content-Length: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\r\n" * 50],
)
def test_an_odd_header_is_passed_over(talk: Talk, header: bytes) -> None:
    talk.raw(b"", header)
    talk.lives()


def test_a_document_of_a_megabyte_is_taken_and_given_up(talk: Talk) -> None:
    document = {"uri": OTHER, "languageId": "python", "version": 1, "text": "# create 'function'\n" * 50_000}
    send(talk.process, method="textDocument/didOpen", params={"textDocument": document})
    params = {"textDocument": {"uri": OTHER}, "range": {"start": {"line": 0, "character": 0}, "end": {"line": 10**6, "character": 0}}}
    assert "result" in talk.ask({"method": "textDocument/codeAction", "params": {**params, "context": {"diagnostics": []}}})
    send(talk.process, method="textDocument/didClose", params={"textDocument": {"uri": OTHER}})
    talk.lives()


@pytest.mark.parametrize("answer", [{"result": None}, {"result": {"applied": {}, "failedChange": []}}, {"error": 7}])
def test_a_malformed_answer_of_the_client_ends_the_request_that_waits_for_it(talk: Talk, answer: Message) -> None:
    number = next(NUMBERS)
    data = {"uri": URI, "start": 2, "text": PROMPT, "movable": True}
    send(talk.process, id=number, method="workspace/executeCommand", params={"command": "promptopt.optimize", "arguments": [data]})
    while (message := talk.seen.get(timeout=PATIENCE)) is not None and message.get("method") != "workspace/applyEdit":
        pass
    assert message is not None
    send(talk.process, id=message["id"], **answer)
    assert talk.answer(number)["error"]["message"] == "The message is malformed."
    talk.rewrites()


@pytest.mark.parametrize("line", [1e999, -1e999, "x", None, []])
def test_a_line_that_is_no_number_is_refused(talk: Talk, line: object) -> None:
    range_ = {"start": {"line": line, "character": 0}, "end": {"line": 0, "character": 0}}
    params = {"command": "promptopt.optimize", "arguments": [{"uri": URI, "range": range_}]}
    assert talk.ask({"method": "workspace/executeCommand", "params": params})["error"]["code"] == -32602


def test_a_second_initialize_is_refused_and_changes_nothing(talk: Talk) -> None:
    params = {"processId": None, "rootUri": "file:///elsewhere", "capabilities": {}}
    assert talk.ask({"method": "initialize", "params": params})["error"]["code"] == -32600
    talk.lives()


@pytest.mark.parametrize("method", ["textDocument/codeAction", "workspace/executeCommand", "promptopt/none"])
def test_a_request_ahead_of_initialize_is_refused_and_the_session_can_begin(method: str) -> None:
    with started([*FAKE, "--stdio"]) as process:
        send(process, method="textDocument/didOpen", params=RIGHT["textDocument/didOpen"])
        send(process, id=7, method=method, params=RIGHT.get(method))
        answer = read(process.stdout)  # type: ignore[arg-type]
        assert answer is not None
        assert (answer["id"], answer["error"]["code"]) == (7, -32002)
        initialized(process)
        talk = Talk(process)
        talk.rewrites()
        assert talk.ask({"method": "shutdown"})["result"] is None


def test_a_request_after_shutdown_is_refused_and_exit_ends_well() -> None:
    with started([*FAKE, "--stdio"]) as process:
        initialized(process)
        talk = Talk(process)
        assert talk.ask({"method": "shutdown"})["result"] is None
        assert talk.ask({"method": "textDocument/codeAction", "params": RIGHT["textDocument/codeAction"]})["error"]["code"] == -32600
        assert talk.ask({"method": "shutdown"})["error"]["code"] == -32600
        send(process, method="exit")
        assert process.wait(60) == 0


def test_a_body_that_is_cut_off_ends_the_process() -> None:
    with started([*FAKE, "--stdio"]) as process:
        initialized(process)
        assert process.stdin is not None
        process.stdin.write(b'Content-Length: 500\r\n\r\n{"jsonrpc"')
        process.stdin.close()
        assert process.wait(60) == 0


def test_the_prompt_of_a_malformed_request_is_in_no_log() -> None:
    with started([*FAKE, "--stdio", "--log-level", "debug"]) as process:
        initialized(process)
        send(process, id=2, method="workspace/executeCommand", params={"command": PROMPT, "arguments": 7})
        answer = read(process.stdout)  # type: ignore[arg-type]
        while answer is not None and answer.get("id") != 2:
            answer = read(process.stdout)  # type: ignore[arg-type]
        assert answer is not None
        assert (answer["error"]["code"], answer["error"]["message"]) == (-32602, "The message is malformed.")
        status, log, rest = ended(process, 3)
    assert status == 0
    assert "zebra" not in log + json.dumps([answer, *rest])
