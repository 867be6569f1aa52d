"""Light clients on one `promptopt serve`, each as it is started: Python, the command line, the language server, agents."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fakes import fake_rewrite
from processes import answer_to, asked, ended, initialized
from processes import started as editor_started
from serve_process import FAKE, started
from socket_guard import GUARD, environment

from promptopt.cli import main
from promptopt.doctor import examine
from promptopt.errors import Cancelled, InvalidInput, RewriteFailed, Unavailable
from promptopt.mcp import create_server
from promptopt.optimizer import Optimizer, Progress, Rewrite
from promptopt.settings import Settings

LANGUAGE_SERVER = [sys.executable, "-m", "promptopt.lsp.cli"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with started(FAKE) as (_, address):
        yield address


def client_of(address: str, **changes: str) -> Optimizer:
    return Optimizer(Settings(engine="remote", remote_url=address, **changes))  # type: ignore[arg-type]


def metric(address: str, name: str) -> float:
    lines = httpx2.get(f"{address}/metrics", timeout=60).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


@pytest.mark.parametrize(
    "prompt", ["create function", "  padded \n", "{a} `b`\t\\", "日本語 😀", "a\r\nb", "\0", "a\u2028b", "😀" * 100_000]
)
def test_the_prompt_comes_back_byte_for_byte(address: str, prompt: str) -> None:
    rewrite = client_of(address).optimize(prompt)
    assert (rewrite.text, rewrite.tokens) == (fake_rewrite(prompt), 13)
    assert rewrite.seconds > 0
    assert 0 < rewrite.confidence < 1


def test_a_stream_grows_to_the_rewrite(address: str) -> None:
    *progress, rewrite = list(client_of(address).stream("fix 😀"))
    assert isinstance(rewrite, Rewrite)
    texts = [step.text for step in progress]
    assert all(isinstance(step, Progress) for step in progress)
    assert texts == sorted(texts, key=len)
    assert (texts[-1], rewrite.text) == (fake_rewrite("fix 😀"), fake_rewrite("fix 😀"))


def test_a_batch_that_the_server_does_not_take_at_once_is_sent_in_parts(address: str) -> None:
    long = [f"{number} {'😀' * 22_500}" for number in range(16)]  # 12 bytes of JSON each
    assert [found.text for found in client_of(address).batch(long) if isinstance(found, Rewrite)] == [fake_rewrite(text) for text in long]
    with started(FAKE, "--queue", "1") as (_, small):
        found = list(client_of(small).batch(["a", "b", " "]))
    assert [text.text for text in found[:2] if isinstance(text, Rewrite)] == [fake_rewrite("a"), fake_rewrite("b")]
    assert isinstance(found[2], InvalidInput)


async def test_event_loops_have_it_too(address: str) -> None:
    assert (await client_of(address).aoptimize("fix it")).text == fake_rewrite("fix it")
    told = [step async for step in client_of(address).astream("fix it")]
    assert told[-1].text == fake_rewrite("fix it")


def test_variants_and_batches(address: str) -> None:
    optimizer = client_of(address)
    assert [rewrite.text for rewrite in optimizer.variants("a", 3)] == [fake_rewrite("a")]
    found = list(optimizer.batch([" ", *(f"task {number}" for number in range(20))]))
    assert isinstance(found[0], InvalidInput)
    assert [rewrite.text for rewrite in found[1:] if isinstance(rewrite, Rewrite)] == [fake_rewrite(f"task {count}") for count in range(20)]
    assert not [failure for failure in found if isinstance(failure, RewriteFailed)]


def test_a_style_that_the_server_does_not_have_is_named(address: str) -> None:
    with pytest.raises(InvalidInput, match=r"There is no style 'baroque'\. Known are concise, golden, markdown, xml\."):
        client_of(address, adapter="baroque").optimize("a")


def test_half_a_character_is_the_prompt_s_fault(address: str) -> None:
    with pytest.raises(InvalidInput, match="half of a surrogate pair"):
        client_of(address).optimize("\ud83d")


def test_the_command_line_has_it(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimize", "--engine", "remote", "--remote_url", address, "create function"]) == 0
    assert capsys.readouterr() == (fake_rewrite("create function") + "\n", "")


def test_the_doctor_looks_at_the_server(address: str, tmp_path: Path) -> None:
    findings = {found.name: found for found in examine(Settings(engine="remote", remote_url=address), reach=lambda: "", cache=tmp_path)}
    assert findings["engine"].value == f"remote, {address}"
    assert " for 13 pieces, confidence " in findings["rewrite"].value
    assert not {"adapter", "base"} & set(findings)


def test_the_doctor_says_what_to_do_about_a_dead_one(tmp_path: Path) -> None:
    settings = Settings(engine="remote", remote_url="http://127.0.0.1:1")
    findings = {found.name: found for found in examine(settings, reach=lambda: "", cache=tmp_path)}
    assert findings["rewrite"].problem == "The server 127.0.0.1:1 cannot be reached (Connection refused)."
    assert findings["rewrite"].hint == "Check promptopt.remoteUrl, and that promptopt serve runs there."


async def test_agents_have_it(address: str) -> None:
    from mcp import Client

    async with Client(create_server(client_of(address))) as client:
        answer = await client.call_tool("optimize_prompt", {"prompt": "create function"})
    assert answer.structured_content is not None
    assert answer.structured_content["optimized_prompt"] == fake_rewrite("create function")


def test_an_editor_has_it_and_a_server_that_has_gone_changes_nothing() -> None:
    with started(FAKE) as (process, address), editor_started(LANGUAGE_SERVER) as editor:
        initialized(editor, {"engine": "remote", "remoteUrl": address})
        asked(editor, 2)
        seen: list[dict[str, object]] = []
        assert "error" not in answer_to(editor, 2, seen)
        (edit,) = [message for message in seen if message.get("method") == "workspace/applyEdit"]
        assert "Act as a tester." in json.dumps(edit)
        process.kill()
        process.wait(60)
        asked(editor, 3)
        seen = []
        error = answer_to(editor, 3, seen)["error"]
        assert f"The server {address.removeprefix('http://')} cannot be reached" in error["message"]
        assert "Check promptopt.remoteUrl" in error["message"]
        assert not [message for message in seen if message.get("method") == "workspace/applyEdit"]
        assert ended(editor, 4)[0] == 0


@pytest.mark.parametrize("watched", [False, True])
def test_cancelling_stops_the_network_of_the_server(watched: bool) -> None:
    stop = threading.Event()
    with started(FAKE, PROMPTOPT_FAKE_DELAY="0.1") as (_, address):
        optimizer = client_of(address)
        threading.Timer(0.3, stop.set).start()
        with pytest.raises(Cancelled):
            optimizer.optimize("a", stop, (lambda _: None) if watched else None)
        gone = f'promptopt_requests_total{{path="/optimize{"/stream" if watched else ""}",status="499"}}'
        while metric(address, gone) < 1:
            pass
        assert optimizer.optimize("next").text == fake_rewrite("next")
        assert metric(address, "promptopt_tokens_total") == 13


def test_a_server_that_dies_under_way_gives_nothing() -> None:
    with started(FAKE, PROMPTOPT_FAKE_DELAY="0.1") as (process, address), pytest.raises(Unavailable, match="broke off"):
        client_of(address).optimize("a", report=lambda progress: process.kill())


def test_the_token_of_the_environment_lets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with started(FAKE, PROMPTOPT_TOKEN="secret") as (_, address):
        monkeypatch.setenv("PROMPTOPT_TOKEN", "secret")
        assert client_of(address).optimize("a").text == fake_rewrite("a")
        monkeypatch.setenv("PROMPTOPT_TOKEN", "other")
        assert main(["optimize", "--engine", "remote", "--remote_url", address, "a"]) == 1


def test_no_socket_is_opened_before_the_first_prompt_and_none_offline(tmp_path: Path) -> None:
    guarded = {**environment(tmp_path, GUARD), "HF_HUB_OFFLINE": "0"}
    code = (
        "from promptopt import Optimizer, Settings;print(Optimizer(Settings(engine='remote', remote_url='http://127.0.0.1:9')).load().name)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=guarded, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("remote, http://127.0.0.1:9\n", "")
    command = [sys.executable, "-m", "promptopt", "optimize", "--engine", "remote", "--remote_url", "http://127.0.0.1:9"]
    done = subprocess.run([*command, "--offline", "a"], env=guarded, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("promptopt: Offline mode is on, so the server http://127.0.0.1:9 is not asked.")
