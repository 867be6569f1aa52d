"""A server that is killed at any moment of a rewrite leaves the client with the old text or the new one, whole; a new server goes on."""

import io
import random

import pytest
from fakes import fake_rewrite
from processes import FAKE, PROMPT, URI, Message, answer_to, asked, ended, initialized, read, started

BEFORE = f"> {PROMPT}\n"
AFTER = "".join(f"> {line}".rstrip() + "\n" for line in fake_rewrite(PROMPT).split("\n"))
ONE_REWRITE = 1200


def edits(messages: list[Message]) -> list[str]:
    """The document after each edit that the client was sent."""
    texts = []
    for message in messages:
        if message.get("method") == "workspace/applyEdit":
            [change] = message["params"]["edit"]["changes"][URI]
            assert [change["range"]["start"]["line"], change["range"]["end"]["line"]] == [0, 0]
            first, last = (change["range"][end]["character"] for end in ("start", "end"))
            texts.append(BEFORE[:first] + change["newText"] + BEFORE[last:])
    return texts


@pytest.mark.parametrize("after", [0, *sorted(random.Random(0).sample(range(1, ONE_REWRITE), 3))])
def test_a_server_that_is_killed_leaves_the_old_text_or_the_new(after: int) -> None:
    """Killed once the client has read so many bytes of what follows the request; a message that was cut off is none."""
    assert edits(received(after)) in ([], [AFTER])


def test_a_server_that_is_killed_when_it_has_answered_leaves_the_new_text_and_the_next_one_goes_on() -> None:
    assert edits(received(100 * ONE_REWRITE)) == [AFTER]
    with started([*FAKE, "--stdio"]) as process:
        initialized(process)
        asked(process, 2)
        seen: list[Message] = []
        assert "error" not in answer_to(process, 2, seen)
        assert edits(seen) == [AFTER]
        assert ended(process, 3)[0] == 0


def received(after: int) -> list[Message]:
    """The messages that came whole from a server that was killed after so many bytes; the edit is not answered."""
    with started([*FAKE, "--stdio"], PROMPTOPT_FAKE_DELAY="0.01") as process:
        initialized(process, workDoneProgress=True)
        asked(process, 2)
        assert process.stdout is not None
        sent = b""
        while not (len(sent) >= after or b"workspace/applyEdit" in sent) and (part := process.stdout.read(1)):
            sent += part
        if after > len(sent):
            body = int(sent.rpartition(b"Content-Length: ")[2].split(b"\r\n")[0])
            sent += process.stdout.read(body - len(sent.rpartition(b"\r\n\r\n")[2]))
        process.kill()
        sent += process.stdout.read()
    stream, found = io.BytesIO(sent), list[Message]()
    while whole_message_follows(sent[stream.tell() :]):
        message = read(stream)
        assert message is not None
        found.append(message)
    return found


def whole_message_follows(rest: bytes) -> bool:
    """Whether a stream goes on with a message that is all there."""
    head, separator, body = rest.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
    return bool(separator and lengths) and len(body) >= lengths[0]
