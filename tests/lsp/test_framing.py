"""Every byte on standard output belongs to a frame: the server as it is installed, while it loads, warns and fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ENVIRONMENT, PROMPT, Message, answer_to, asked, ended, initialized, previewed, send, started

SERVER = [sys.executable, "-m", "promptopt.lsp.cli", "--stdio"]  # what the command promptopt-lsp runs
LIBRARIES = ("pygls", "numpy", "sentencepiece", "huggingface_hub")
NOISE = f"""\
import atexit
import os
import subprocess
import sys
import threading
import time
import warnings

kept = sys.stdout  # as a library keeps it that was imported ahead of the server


class Noisy:
    # As if each of the libraries printed, in every way there is, while it is imported.

    def find_spec(self, name, path=None, target=None):
        if name in {LIBRARIES!r}:
            print(name, "prints plainly")
            print(name, "prints to what it kept", file=kept, flush=True)
            os.write(1, f"{{name}} writes to the descriptor\\n".encode())
            subprocess.run([sys.executable, "-S", "-c", f"print('a child of {{name}} prints')"])
            warnings.warn(f"{{name}} warns", DeprecationWarning)
            threading.Thread(target=chatter, args=(name,), daemon=True).start()


def chatter(name):
    for _ in range(50):
        os.write(1, f"{{name}} chatters\\n".encode())
        time.sleep(0.002)


sys.meta_path.insert(0, Noisy())
atexit.register(print, "a library prints at the end", file=kept)
"""


@pytest.fixture
def noisy(tmp_path: Path) -> dict[str, str]:
    """The environment in which libraries print and warn."""
    home = tmp_path / "noise"
    home.mkdir()
    (home / "sitecustomize.py").write_text(NOISE, encoding="utf-8")
    path = os.pathsep.join([str(home), ENVIRONMENT["PYTHONPATH"]])
    return {"PYTHONPATH": path, "PYTHONWARNINGS": "always", "XDG_CACHE_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}


def heard(log: str, *libraries: str) -> None:
    """Asserts that the noise of these libraries went to standard error."""
    for name in libraries:
        for line in ("prints plainly", "prints to what it kept", "writes to the descriptor", "chatters"):
            assert f"{name} {line}" in log
        assert f"a child of {name} prints" in log
        assert f"DeprecationWarning: {name} warns" in log
    assert "a library prints at the end" in log


def settings(process: subprocess.Popen[bytes], **values: object) -> None:
    send(process, method="workspace/didChangeConfiguration", params={"settings": {"promptopt": values}})


def test_the_noise_of_these_tests_is_loud(noisy: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", "import pygls"], env={**ENVIRONMENT, **noisy}, capture_output=True, text=True)
    for line in ("pygls prints plainly", "pygls writes to the descriptor", "a child of pygls prints", "a library prints at the end"):
        assert line in done.stdout


def test_while_it_warns_and_fails(noisy: dict[str, str], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "adapter_config.json").write_text("{", encoding="utf-8")
    seen: list[Message] = []
    with started([*SERVER, "--log-level", "debug"], **noisy) as process:
        initialized(process, options={"adapter": "nowhere", "threads": "many"}, workDoneProgress=True)
        asked(process, 2)
        assert answer_to(process, 2, seen)["error"]["message"].startswith("There is no adapter 'nowhere'.")
        settings(process, adapter=str(damaged), offline="perhaps")
        previewed(process, 3, "damaged")
        assert answer_to(process, 3, seen)["error"]["code"] == -32803
        send(process, id=4, method="workspace/executeCommand", params={"command": "promptopt.doctor"})
        assert answer_to(process, 4, seen)["result"]["ok"] is False
        send(process, id=5, method="promptopt/nothing", params={})
        assert answer_to(process, 5, seen)["error"]["code"] == -32601
        status, log, rest = ended(process, 6)
    assert status == 0
    warned = [message["params"]["message"] for message in seen + rest if message.get("method") == "window/showMessage"]
    assert warned == ["promptopt.offline should be of type bool, not 'perhaps'; False is used."]
    assert "promptopt.threads should be of type int, not 'many'" in log
    heard(log, "pygls")
    assert PROMPT not in log


@pytest.mark.model
def test_while_the_model_is_compiled_and_loaded(noisy: dict[str, str]) -> None:
    seen: list[Message] = []
    with started(SERVER, **noisy) as process:
        initialized(process, workDoneProgress=True)
        previewed(process, 2, "first")
        result = answer_to(process, 2, seen)["result"]
        asked(process, 3)
        assert answer_to(process, 3, seen)["result"] is None
        status, log, rest = ended(process, 4)
    assert (status, [message for message in rest if message.get("method") != "$/progress"]) == (0, [])
    assert PROMPT in result["text"]
    assert [message["method"] for message in seen].count("workspace/applyEdit") == 1
    heard(log, "pygls", "numpy", "sentencepiece")
