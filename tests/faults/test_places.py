"""Caches where they are awkward: full disks, folders that may only be read, odd names, two processes at once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptopt.bundle import Bundle
from promptopt.engine import loader
from promptopt.engine.modelfile import ModelFile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits, modes and mounts as POSIX has them")
COMPILE = (
    "import sys; from pathlib import Path; from promptopt.adapters.access import Access\n"
    "from promptopt.adapters.locate import locate; from promptopt.engine.loader import compiled_model\n"
    "from promptopt.errors import PromptoptError\n"
    "try: print(compiled_model(locate(sys.argv[1], Access(offline=True)).bundle(), Path(sys.argv[2])).path)\n"
    "except PromptoptError as error: print(type(error).__name__, error)"
)
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))\n"
ROOT_S_POWER = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner")


def said(environment: dict[str, str], code: str, *arguments: object, ahead: tuple[str, ...] = ()) -> str:
    """What a script prints, which must end well and complain of nothing."""
    command = [*ahead, sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def powerless() -> tuple[str, ...]:
    """What stands ahead of a command so that modes count for it; nothing where one is not root."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None or subprocess.run([*ROOT_S_POWER, "true"], capture_output=True).returncode != 0:
        pytest.skip("root's power over modes cannot be laid down here")
    return ROOT_S_POWER


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A cache; whoever closes it need not open it again."""
    cache = tmp_path / "closed"
    cache.mkdir()
    yield cache
    for folder in (cache, *cache.rglob("*")):
        folder.chmod(0o755)


def close(cache: Path) -> None:
    for path in (*cache.rglob("*"), cache):
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.mark.parametrize("room", [0, 100_000, 2_000_000])
def test_where_no_more_can_be_written_that_is_said_and_nothing_is_left(
    tiny: Bundle, tmp_path: Path, environment: dict[str, str], room: int
) -> None:
    answer = said(environment, LIMITED.format(room) + COMPILE, tiny.adapter, tmp_path)
    assert answer.startswith(f"BundleError The adapter {str(tiny.adapter)!r} could not be compiled: ")
    assert "File too large" in answer
    assert answer.endswith("Check free memory and disk space, and that the adapter was trained on this base.")
    assert list((tmp_path / "compiled").iterdir()) == []
    assert said(environment, COMPILE, tiny.adapter, tmp_path) == str(tmp_path / "compiled" / loader.cache_key(tiny) / "model.bin")


def test_a_full_disk_is_said_and_leaves_nothing(tiny: Bundle, tmp_path: Path, environment: dict[str, str]) -> None:
    apart = ("unshare", "--user", "--map-root-user", "--mount")
    small = f'mount -t tmpfs -o size=1m none "{tmp_path}" && '
    if shutil.which("unshare") is None or subprocess.run([*apart, "sh", "-c", f"{small} true"], capture_output=True).returncode != 0:
        pytest.skip("this system does not let users mount")
    listed = "; print(len(list((Path(sys.argv[2]) / 'compiled').iterdir())))"
    answer = said(environment, COMPILE + listed, tiny.adapter, tmp_path, ahead=(*apart, "sh", "-c", f'{small} exec "$0" "$@"'))
    assert "No space left on device" in answer
    assert answer.endswith("on this base.\n0") or answer.endswith("on this base.")


def test_a_cache_that_may_only_be_read_is_used(tiny: Bundle, closed: Path, environment: dict[str, str]) -> None:
    ahead = powerless()
    path = loader.compiled_model(tiny, closed).path
    close(closed)
    before = sorted(closed.rglob("*"))
    assert said(environment, COMPILE, tiny.adapter, closed, ahead=ahead) == str(path)
    assert sorted(closed.rglob("*")) == before


@pytest.mark.parametrize("damaged", [False, True])
def test_a_cache_that_may_only_be_read_and_lacks_the_form_is_named(
    tiny: Bundle, closed: Path, environment: dict[str, str], damaged: bool
) -> None:
    ahead = powerless()
    (closed / "compiled").mkdir()
    if damaged:
        loader.compiled_model(tiny, closed).path.write_bytes(b"damaged")
    close(closed)
    answer = said(environment, "import logging; logging.disable()\n" + COMPILE, tiny.adapter, closed, ahead=ahead)
    assert answer.startswith(f"BundleError The cache {closed / 'compiled'} cannot be written (")
    assert answer.endswith("Free space there, or make the folder writable.")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_cache_and_an_adapter_below_an_odd_name_are_used(tiny: Bundle, tmp_path: Path, environment: dict[str, str], locale: str) -> None:
    odd = tmp_path / "a cache's “näme” 日本 \u200f& $HOME; %s"
    adapter = Path(shutil.copytree(tiny.adapter, odd / "ädapter"))
    answer = said({**environment, "LC_ALL": locale, "PYTHONIOENCODING": "utf-8"}, COMPILE, adapter, odd / "cache")
    assert answer == str(odd / "cache" / "compiled" / loader.cache_key(tiny) / "model.bin")
    assert ModelFile(Path(answer)).shape.vocabulary == 20_736


@pytest.mark.model
def test_two_processes_that_rewrite_for_the_first_time_at_once_share_one_cache(tmp_path: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "promptopt", "optimize", "create function"]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    (one, other) = [(*process.communicate(timeout=150), process.returncode) for process in both]
    assert one == other
    assert (one[1], one[2]) == ("", 0)
    assert "Task: create function\n" in one[0]
    [folder] = (tmp_path / "cache" / "promptopt" / "compiled").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin", "source.json"]


def test_a_full_disk_under_a_batch_is_said(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": " "}\n')
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    command = [sys.executable, "-m", "promptopt", "optimize", "--batch", str(tmp_path / "in.jsonl"), "--output", "/dev/full"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "promptopt: the result could not be written (No space left on device)."
    assert "Traceback" not in done.stderr
