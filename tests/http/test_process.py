"""The command as a process, over real sockets on loopback."""

import http.client
import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from fakes import fake_rewrite
from serve_process import FAKE, REAL, started
from serving import events

from promptopt.cli import main


def ask(address: str, prompt: str) -> str:
    answer = httpx2.post(f"{address}/optimize", json={"prompt": prompt}, timeout=60)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["optimized_prompt"])


def waiting(address: str) -> int:
    return int(httpx2.get(f"{address}/health/live", timeout=60).json()["waiting"])


def metric(address: str, name: str) -> float:
    lines = httpx2.get(f"{address}/metrics", timeout=60).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


@pytest.mark.model
def test_the_embedded_model_answers_and_the_server_ends_well() -> None:
    with started(REAL) as (process, address):
        assert "\n\nTask: create function\n\n" in ask(address, "create function")
        process.send_signal(signal.SIGTERM)
        assert (process.wait(60), *process.communicate()) == (0, "", "")


def test_64_clients_at_once_are_each_answered_once() -> None:
    with started(FAKE) as (_, address), ThreadPoolExecutor(64) as pool:
        texts = list(pool.map(lambda number: ask(address, f"task {number}"), range(64)))
        assert texts == [fake_rewrite(f"task {number}") for number in range(64)]
        assert metric(address, "promptopt_tokens_total") == 64 * 13


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_first_answers_what_it_accepted(number: signal.Signals) -> None:
    with started(FAKE, PROMPTOPT_FAKE_DELAY="0.02") as (process, address), ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(ask, address, f"task {count}") for count in range(5)]
        while metric(address, "promptopt_batch_prompts_count") < 1 or waiting(address) + metric(address, "promptopt_batch_prompts_sum") < 5:
            pass
        process.send_signal(number)
        assert [future.result() for future in asked] == [fake_rewrite(f"task {count}") for count in range(5)]
        assert (process.wait(60), *process.communicate()) == (0, "", "")


def test_who_still_waits_when_the_grace_is_over_is_told_so_and_a_stream_in_its_events() -> None:
    said = {"code": "unavailable", "message": "The server is stopping.", "hint": "Send the prompt again once it is back."}
    with started(FAKE, PROMPTOPT_FAKE_DELAY="1", PROMPTOPT_FAKE_GRACE="0.3") as (process, address), ThreadPoolExecutor(1) as pool:
        with httpx2.stream("POST", f"{address}/optimize/stream", json={"prompt": "a"}, timeout=60) as stream:
            chunks = stream.iter_text()
            text = next(chunks)
            asked = pool.submit(httpx2.post, f"{address}/optimize", json={"prompt": "b"}, timeout=60)
            while waiting(address) < 1:
                pass
            process.send_signal(signal.SIGTERM)
            text += "".join(chunks)
        plain = asked.result()
        assert events(text)[-1] == ("error", said)
        assert (plain.status_code, plain.headers["retry-after"], plain.json()) == (503, "2", {"error": said})
        assert (process.wait(60), *process.communicate()) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="a process gets signals of its own kind there")
def test_a_second_ctrl_c_ends_the_server_at_once_also_while_its_network_is_loaded() -> None:
    with started(FAKE, PROMPTOPT_FAKE_LOADING="600") as (process, address):
        assert httpx2.get(f"{address}/health/live", timeout=60).status_code == 200
        process.send_signal(signal.SIGINT)
        with suppress(httpx2.TransportError):
            while httpx2.get(f"{address}/health/live", timeout=60):
                pass
        process.send_signal(signal.SIGINT)
        assert (process.wait(60), *process.communicate()) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("path", ["/optimize", "/optimize/stream"])
def test_a_client_that_hangs_up_stops_the_network(path: str) -> None:
    with started(FAKE, PROMPTOPT_FAKE_DELAY="0.1") as (_, address):
        client = http.client.HTTPConnection(address.removeprefix("http://"))
        client.request("POST", path, json.dumps({"prompt": "a"}), {"Content-Type": "application/json"})
        client.sock.close()
        gone = f'promptopt_requests_total{{path="{path}",status="499"}}'
        while metric(address, gone) < 1:
            pass
        assert ask(address, "next") == fake_rewrite("next")
        assert metric(address, "promptopt_tokens_total") == 13


def test_ten_megabytes_over_a_socket_are_answered_with_413() -> None:
    with started(FAKE) as (_, address):
        answer = httpx2.post(f"{address}/optimize", content=b"x" * 10_000_000, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_off_loopback_a_token_is_required(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PROMPTOPT_TOKEN", raising=False)
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert "0.0.0.0 can be reached from other machines, and there is no token. Set PROMPTOPT_TOKEN" in capsys.readouterr().err
    (tmp_path / "token").write_text("two words\n")
    assert main(["serve", "--token_file", str(tmp_path / "token")]) == 2
    assert "characters that a header cannot carry" in capsys.readouterr().err
    (tmp_path / "token").write_text("\n")
    assert main(["serve", "--token-file", str(tmp_path / "token")]) == 2
    assert "is empty" in capsys.readouterr().err


def test_a_queue_without_room_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--queue", "0"]) == 2
    assert capsys.readouterr().err == "promptopt: Where 0 prompts may wait, none is taken. Let one wait at least: --queue 1\n"


def test_the_token_of_the_environment_is_asked_for() -> None:
    with started(FAKE, PROMPTOPT_TOKEN="secret") as (_, address):
        closed = httpx2.get(f"{address}/metrics", timeout=60)
        open_ = httpx2.get(f"{address}/metrics", headers={"Authorization": "Bearer secret"}, timeout=60)
    assert (closed.status_code, open_.status_code) == (401, 200)


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with started(FAKE) as (_, address):
        port = address.rpartition(":")[2]
        assert main(["serve", "--port", port]) == 2
    assert f"promptopt: The server cannot listen on 127.0.0.1, port {port} (" in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("promptopt.http")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == (
        'promptopt: This command needs uvicorn, which is not installed. Install it with: pip install "promptopt[http]"\n'
    )
