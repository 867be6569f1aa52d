"""What the engine remote sends, and what it makes of whatever answers."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from promptopt.cli import main
from promptopt.engine.exchange import connect_to
from promptopt.engine.loader import load_rewriter
from promptopt.engine.remote import Remote, events, remote
from promptopt.engine.rewriter import Progress, Written
from promptopt.errors import Busy, Cancelled, InvalidInput, PromptoptError, Refused, RewriteFailed, TooLarge, Unavailable
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

RESULT = {"optimized_prompt": "Act as a tester.", "confidence": 0.5, "tokens": 7, "seconds": 9.0}
WRITTEN = Written("Act as a tester.", 0.5, 7)


class Answering:
    """A server on loopback that gives each connection the same bytes; `held` keeps connections open after them until it is set."""

    def __init__(self, answer: bytes, held: bool = False) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._answer = answer
        self._held = held
        self.requests: list[bytes] = []
        self.asked, self.left = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):
                self.requests.append(received(connection))
                connection.sendall(self._answer)
                self.asked.set()
                if self._held:
                    connection.recv(1)
            self.left.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def remote(self, style: str = "", path: str = "", silence: float = 60.0, token: str = "") -> Remote:
        return Remote(f"{self.url}{path}", style, silence, lambda _: token)


def received(connection: socket.socket) -> bytes:
    """A request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def answering(answer: bytes, held: bool = False) -> Iterator[Answering]:
    server = Answering(answer, held)
    try:
        yield server
    finally:
        server.close()


def whole(body: object, status: str = "200 OK", kind: str = "application/json") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def streamed(*told: tuple[str, object]) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
    return head + b"".join(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in told)


def failure(code: str, message: str = "It failed.", hint: str = "Mend it.") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "hint": hint}}


def going() -> threading.Event:
    return threading.Event()


def test_a_prompt_that_nobody_watches_is_asked_for_as_a_whole() -> None:
    with answering(whole(RESULT)) as server:
        assert server.remote().rewrite("zebra 😀\ud83d", going(), None) == WRITTEN
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /optimize HTTP/1.1\r\n")
    assert json.loads(body) == {"prompt": "zebra 😀\ud83d"}
    assert b"authorization" not in head.lower()


def test_style_path_and_token_are_sent() -> None:
    with answering(whole(RESULT)) as server:
        server.remote("house", "/team/", token="secret").rewrite("a", going(), None)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /team/optimize HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer secret" in head
    assert json.loads(body) == {"prompt": "a", "style": "house"}


def test_a_watched_prompt_is_told_as_it_grows() -> None:
    told: list[Progress] = []
    steps = [("progress", {"delta": "Act as", "tokens": 3}), ("progress", {"delta": " a tester.", "tokens": 6})]
    with answering(streamed(*steps, ("done", RESULT))) as server:
        assert server.remote().rewrite("a", going(), told.append) == WRITTEN
    assert server.requests[0].startswith(b"POST /optimize/stream ")
    assert told == [Progress("Act as", 3), Progress("Act as a tester.", 6)]


def test_variants_are_the_answer_and_the_others() -> None:
    other = {**RESULT, "optimized_prompt": "Act as another.", "confidence": 0}
    with answering(whole({**RESULT, "variants": [other]})) as server:
        assert server.remote().variants("a", 3, going()) == [WRITTEN, Written("Act as another.", 0.0, 7)]
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == {"prompt": "a", "variants": 3}


def test_a_batch_comes_in_order_with_failures_in_place() -> None:
    with answering(whole({"results": [RESULT, failure("rewrite_failed"), failure("invalid_input")]})) as server:
        first, second, third = server.remote().batch(["a", "b", "c"], going())
    assert first == WRITTEN
    assert (type(second), type(third)) == (RewriteFailed, InvalidInput)
    assert str(second) == "It failed. Mend it."


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        ("422 Unprocessable", failure("invalid_input"), InvalidInput, "It failed. Mend it."),
        ("422 Unprocessable", failure("rewrite_failed"), RewriteFailed, "It failed. Mend it."),
        ("429 Too Many", failure("busy"), Busy, "It failed. Mend it."),
        ("503 Unavailable", failure("bundle"), Unavailable, "The server URL cannot rewrite. It failed. Mend it."),
        ("503 Unavailable", failure("unavailable"), Unavailable, "The server URL cannot rewrite. It failed. Mend it."),
        ("500 Oh", failure("error"), Unavailable, "The server URL cannot rewrite. It failed. Mend it."),
        ("421 Misdirected", failure("refused"), Refused, "The server URL refuses. It failed. Mend it."),
        ("404 Not Found", b"<html>", Unavailable, "URL sent something else than JSON, with status 404. Check promptopt.remoteUrl"),
        ("301 Moved", b"", Unavailable, "URL sent something else than JSON, with status 301."),
        ("500 Oh", b"[" * 200_000, Unavailable, "URL sent something else than JSON, with status 500."),
        ("404 Not Found", {"detail": "no"}, Unavailable, "URL sent an answer of another kind, with status 404."),
        ("404 Not Found", failure("refused", hint=None), Unavailable, "URL sent an answer of another kind"),  # type: ignore[arg-type]
        ("401 Unauthorized", b"", Refused, "The server URL wants a token, and there is none. Set PROMPTOPT_TOKEN"),
    ],
)
@pytest.mark.parametrize("watched", [False, True])
def test_a_refusal_is_an_error_that_says_what_and_what_next(
    status: str, body: object, kind: type[PromptoptError], message: str, watched: bool
) -> None:
    told: list[Progress] = []
    with answering(whole(body, status)) as server, pytest.raises(PromptoptError) as caught:
        server.remote().rewrite("a", going(), told.append if watched else None)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(message.replace("URL", server.url))
    assert caught.value.hint
    assert told == []


def test_a_wrong_token_is_told_from_a_missing_one() -> None:
    with answering(whole(b"", "401 Unauthorized")) as server, pytest.raises(Refused) as caught:
        server.remote(token="old").rewrite("a", going(), None)
    host = server.url.removeprefix("http://")
    assert caught.value.message == f"The server {server.url} does not take the token that it was sent."
    assert caught.value.hint == f"Set PROMPTOPT_TOKEN to the server's, or keep it in the keyring: keyring set promptopt {host}"


@pytest.mark.parametrize(
    "row",
    [
        *({**RESULT, "optimized_prompt": text} for text in (None, "", " ", 3)),
        *({**RESULT, "confidence": sure} for sure in (None, "1", 1.5, -0.1, float("nan"))),
        *({**RESULT, "tokens": count} for count in (None, "7", 7.5)),
        [],
        None,
    ],
)
def test_a_result_that_is_no_rewrite_is_not_given(row: object) -> None:
    with answering(whole({"results": [row]})) as server, pytest.raises(Unavailable, match="a result that is no rewrite"):
        server.remote().batch(["a"], going())


@pytest.mark.parametrize("answer", [{"results": []}, {"results": [RESULT, RESULT]}, {"results": None}, {}])
def test_another_number_of_rewrites_is_not_given(answer: object) -> None:
    with answering(whole(answer)) as server, pytest.raises(Unavailable, match="another number of rewrites"):
        server.remote().batch(["a"], going())


def test_a_batch_whose_server_fails_as_a_whole_fails_as_a_whole() -> None:
    with answering(whole({"results": [failure("bundle")]})) as server, pytest.raises(Unavailable, match=r"cannot rewrite\. It failed"):
        server.remote().batch(["a"], going())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (streamed(("progress", {"delta": "A", "tokens": 1})), "broke off before the rewrite was whole."),
        (streamed(("done", RESULT))[:-1], "broke off before the rewrite was whole."),
        (streamed(("progress", {"delta": 1, "tokens": 1})), "sent a progress that is none."),
        (streamed(("progress", [])), "sent something else than JSON, with status 200."),
        (streamed(("done", {})), "sent a result that is no rewrite."),
        (streamed(("error", failure("bundle")["error"])), "cannot rewrite. It failed."),
        (streamed(("error", {})), "sent an answer of another kind, with status 200."),
        (whole(RESULT), "sent an answer of another kind, with status 200."),
        (b"", "broke off (Remote end closed connection without response)."),
        (b"220 mail.example.org ready\r\n", "broke off ("),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nevent", "broke off"),
    ],
)
def test_a_stream_that_goes_wrong_is_no_rewrite(answer: bytes, message: str) -> None:
    with answering(answer) as server, pytest.raises(Unavailable) as caught:
        server.remote().rewrite("a", going(), lambda _: None)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://[2001:db8::5]", "2001:db8::5", 80),
        ("https://[::1]/team", "::1", 443),
        ("http://[::1]:8000", "::1", 8000),
        ("https://example.org", "example.org", 443),
    ],
)
def test_the_port_of_an_address_is_its_own_or_that_of_its_scheme(url: str, host: str, port: int) -> None:
    connection = connect_to(url)()
    assert (connection.host, connection.port) == (host, port)


def test_a_server_that_is_not_there_is_named() -> None:
    with answering(b"") as server:
        pass
    with pytest.raises(Unavailable) as caught:
        server.remote().rewrite("a", going(), None)
    host = server.url.removeprefix("http://")
    assert caught.value.message == f"The server {host} cannot be reached (Connection refused)."
    assert caught.value.hint == "Check promptopt.remoteUrl, and that promptopt serve runs there."


@pytest.mark.parametrize("answer", [b"", whole(RESULT)[:60], streamed(("progress", {"delta": "A", "tokens": 1}))])
def test_a_server_that_falls_silent_is_given_up(answer: bytes) -> None:
    with answering(answer, held=True) as server, pytest.raises(Unavailable) as caught:
        server.remote(silence=0.2).rewrite("a", going(), lambda _: None)
    assert server.left.wait(20)
    assert caught.value.message.endswith(" has said nothing for 0.2 seconds.")


@pytest.mark.parametrize("answer", [b"", streamed(("progress", {"delta": "A", "tokens": 1}))])
def test_cancelling_closes_the_request(answer: bytes) -> None:
    stop = going()
    with answering(answer, held=True) as server:
        threading.Thread(target=lambda: (server.asked.wait(20), stop.set()), daemon=True).start()
        with pytest.raises(Cancelled):
            server.remote().rewrite("a", stop, lambda _: None)
        assert server.left.wait(20)


def test_a_cancelled_prompt_is_not_sent() -> None:
    stop = going()
    stop.set()
    with answering(whole(RESULT)) as server, pytest.raises(Cancelled):
        server.remote().rewrite("a", stop, None)
    assert server.requests == []


def test_a_report_that_fails_closes_the_request() -> None:
    def report(_: Progress) -> None:
        raise OSError("gone")

    with answering(streamed(("progress", {"delta": "A", "tokens": 1})), held=True) as server:
        with pytest.raises(OSError, match="gone"):
            server.remote().rewrite("a", going(), report)
        assert server.left.wait(20)


def test_a_prompt_that_is_too_large_for_what_stands_before_the_server_fails_alone() -> None:
    with answering(b"HTTP/1.1 413 Too Large\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n") as server:
        failures = server.remote().batch(["a", "b"], going())
    assert len(server.requests) == 3
    assert [(type(failure), str(failure)) for failure in failures] == [
        (TooLarge, f"The request is too large for {server.url}. Send fewer prompts at a time, or shorter ones.")
    ] * 2


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"event: a\n", b"data: 1\n", b"\n"], [("a", b"1")]),
        ([b"event:a\r\n", b"data:1\r\n", b"\r\n"], [("a", b"1")]),
        ([b": kept alive\n", b"\n", b"data: 1\n", b"data: 2\n", b"id: 3\n", b"\n"], [("", b"1\n2")]),
        ([b"event: a\n", b"data: 1\n", b"\n", b"data: 2\n", b"\n"], [("a", b"1"), ("", b"2")]),
        ([b"event: a\n", b"data: 1\n"], []),
        ([], []),
    ],
)
def test_server_sent_events(lines: list[bytes], expected: list[tuple[str, bytes]]) -> None:
    assert list(events(lines)) == expected


def test_without_an_address_it_says_where_to_give_one() -> None:
    with pytest.raises(InvalidInput, match="needs the address of a server") as caught:
        load_rewriter(Settings(engine="remote"))
    assert caught.value.hint == "Set promptopt.remoteUrl (--remote_url) to one like http://prompts.example.org:8000."


def test_the_default_adapter_means_the_server_s_own() -> None:
    with answering(whole(RESULT)) as server:
        for adapter in ("golden", "house"):
            Optimizer(Settings(engine="remote", remote_url=server.url, adapter=adapter)).optimize("a")
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    assert bodies == [{"prompt": "a"}, {"prompt": "a", "style": "house"}]


@pytest.mark.parametrize("offline", [True, False])
def test_offline_it_asks_nobody(offline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0" if offline else "1")
    with pytest.raises(InvalidInput, match="Offline mode is on, so the server http://team is not asked"):
        remote(Settings(engine="remote", remote_url="http://team", offline=offline))


def test_an_adapter_of_the_hub_is_the_server_s_to_fetch() -> None:
    told: list[object] = []
    Optimizer(Settings(engine="remote", remote_url="http://127.0.0.1:9", adapter="owner/name")).fetch(told.append)
    assert told == []


def test_the_command_line_says_why_and_gives_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(whole(failure("unavailable", "The server is stopping.", "Wait."), "503 No")) as server:
        assert main(["optimize", "--engine", "remote", "--remote-url", server.url, "a"]) == 1
    assert capsys.readouterr() == ("", f"promptopt: The server {server.url} cannot rewrite. The server is stopping. Wait.\n")


def test_an_address_that_is_none_is_refused_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["optimize", "--engine", "remote", "--remote_url", "ftp://a.b", "a"])
    assert "argument --remote_url/--remote-url: http://HOST:PORT or https://HOST" in capsys.readouterr().err


def test_other_engines_do_not_load_what_speaks_http() -> None:
    code = (
        "from promptopt import Optimizer, Settings; Optimizer(Settings(remote_url='http://127.0.0.1:9')); import sys;"
        "print([name for name in ('promptopt.engine.remote', 'keyring') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_token_that_no_header_can_carry_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_TOKEN", "a\r\nX-Evil: b")
    with answering(whole(RESULT)) as server, pytest.raises(InvalidInput, match="characters that a header cannot carry"):
        Remote(server.url, "").rewrite("a", going(), None)
    assert server.requests == []
