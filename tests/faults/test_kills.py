"""kill -9 at moments drawn among all those at which a piece of work touches the disk: what is there is right, and the next try goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promptopt.bundle import Bundle
from promptopt.engine import loader
from promptopt.engine.modelfile import ModelFile
from promptopt.errors import BundleError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed by signals")
HERE = Path(__file__).parent
TRIES = int(os.environ.get("PROMPTOPT_KILLS", "6"))
COMPILE = (
    "import sys; from pathlib import Path; from promptopt.adapters.access import Access\n"
    "from promptopt.adapters.locate import locate; from promptopt.engine.loader import compiled_model\n"
    "compiled_model(locate(sys.argv[1], Access(offline=True)).bundle(), Path(sys.argv[2])); print('compiled')"
)


def result(environment: dict[str, str], script: str, *arguments: object) -> dict[str, Any]:
    """What a script that kills found."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_killed_compilation_leaves_nothing_and_the_next_one_succeeds(tiny: Bundle, tmp_path: Path, environment: dict[str, str]) -> None:
    found = result(environment, "kill_compilations.py", tiny.adapter, tmp_path, TRIES)
    assert found["died"] >= 2 * TRIES


def test_a_killed_batch_keeps_whole_rows_and_goes_on(tmp_path: Path, environment: dict[str, str]) -> None:
    found = result(environment, "kill_batches.py", tmp_path, TRIES)
    assert found["died"] >= TRIES
    assert found["kept"] > 0


def test_a_folder_whose_replacement_is_killed_is_there_for_the_next_one(tmp_path: Path, environment: dict[str, str]) -> None:
    found = result(environment, "kill_replacements.py", tmp_path, max(TRIES, 30))
    assert found["died"] >= 8


@pytest.mark.skipif("PROMPTOPT_KILLS" not in os.environ, reason="takes minutes: make faults")
@pytest.mark.timeout(900)
def test_a_training_that_is_killed_several_times_ends_with_the_same_weights(tmp_path: Path, environment: dict[str, str]) -> None:
    found = result(environment, "kill_trainings.py", tmp_path, max(1, TRIES // 6))
    assert found["died"] >= 1


def test_where_the_compiler_is_killed_the_sentence_says_so_and_nothing_is_left(
    tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader.sys, "executable", str(killer(tmp_path)))
    with pytest.raises(BundleError) as caught:
        loader.compiled_folder(tiny, tmp_path)
    assert caught.value.message == f"The adapter {tiny.name!r} could not be compiled: its process was ended by signal {signal.SIGKILL:d}"
    assert caught.value.hint.startswith("Check free memory and disk space")
    assert list((tmp_path / "compiled").iterdir()) == []


def killer(folder: Path) -> Path:
    """A program in the place of Python that is killed at once, as one is for its memory."""
    program = folder / "python"
    program.write_text("#!/bin/sh\nkill -9 $$\n")
    program.chmod(0o755)
    return program


def test_where_the_one_that_asked_is_killed_the_compiler_it_leaves_behind_does_no_harm(
    tiny: Bundle, tmp_path: Path, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-c", COMPILE, str(tiny.adapter), str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list((tmp_path / "compiled").glob("partial-*")):
            pass
        process.kill()
    model = loader.compiled_model(tiny, tmp_path)
    assert [path.name for path in (tmp_path / "compiled").iterdir()] == [loader.cache_key(tiny)]
    assert ModelFile(model.path).tensors == model.tensors
