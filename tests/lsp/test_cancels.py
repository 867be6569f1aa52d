"""Two hundred cancels at random moments."""

import random
import subprocess
import time

from fakes import fake_rewrite
from processes import FAKE, PROMPT, URI, Message, answer_to, asked, ended, initialized, previewed, send, started

CANCELS = 200
PIECE = 0.005
LONGEST = 12 * PIECE
COUNTED = 1000
"Added to the number of a request for that of the question behind it."


def asked_somehow(process: subprocess.Popen[bytes], number: int, dice: random.Random) -> None:
    """A rewrite by one of the commands, cancelled after a while in one of the two ways."""
    if dice.random() < 0.5:
        asked(process, number)
        cancel: Message = {"method": "$/cancelRequest", "params": {"id": number}}
    else:
        previewed(process, number, str(number))
        cancel = {"method": "window/workDoneProgress/cancel", "params": {"token": f"work of {number}"}}
    time.sleep(dice.choice([0, dice.uniform(0, LONGEST)]))
    send(process, **cancel)


def test_each_is_answered_once_the_network_idle_within_a_piece_and_the_next_rewrite_right() -> None:
    dice = random.Random(6)
    seen: list[Message] = []
    over: list[int] = []
    with started([*FAKE, "--stdio"], PROMPTOPT_FAKE_DELAY=str(PIECE)) as process:
        initialized(process)
        for number in range(2, 2 + CANCELS):
            asked_somehow(process, number, dice)
            if dice.random() < 0.6:  # else the next comes while this one is being stopped
                seen.append(answer_to(process, number, seen))
                send(process, id=COUNTED + number, method="test/written", params={})
                now, idle = answer_to(process, COUNTED + number, seen)["result"]
                over.append(idle - now)
        last = 2 + CANCELS
        asked(process, last)
        assert answer_to(process, last, seen)["result"] is None
        status, _, rest = ended(process, last + 1)
    answers = [message for message in seen if "method" not in message]
    codes = [message["error"]["code"] for message in answers if "error" in message]
    assert (status, rest) == (0, [])
    assert sorted(message["id"] for message in answers) == list(range(2, 2 + CANCELS))
    assert set(codes) == {-32800, -32802}
    assert len(codes) > CANCELS / 4
    assert len(over) > CANCELS / 3
    assert max(over) <= 1
    (change,) = [m for m in seen if m.get("method") == "workspace/applyEdit"][-1]["params"]["edit"]["changes"][URI]
    assert change["newText"] == fake_rewrite(PROMPT).replace("\n\n", "\n>\n> ")
