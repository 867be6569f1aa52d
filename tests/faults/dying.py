"""Work that is killed, as by kill -9, at moments drawn among all those at which it touches a folder. For a process without threads.

A script imports this, so that what it tries is forked from a process that has its imports behind it: a try costs milliseconds.
"""

import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.listdir", "os.scandir", "os.truncate", "shutil.rmtree"}
WRITES = {"write", "writelines", "flush", "truncate"}
Work = Callable[[], object]


def killed(work: Work, home: Path, moment: int, writes: bool = True) -> bool:
    """Runs `work` in a process of its own that dies at its `moment`-th touch of `home`; whether it died. Raises when `work` does.

    writes: count every write to a file there too; that is slow where much is called.
    """
    return _ended(work, home, moment, writes)[0]


def touches(work: Work, home: Path, writes: bool = True) -> int:
    """How often `work` touches `home`, run once to its end in a process of its own."""
    return _ended(work, home, 0, writes)[1]


def moments(count: int, tries: int, seed: int = 0) -> Iterator[int]:
    """`tries` different moments of `count`, drawn, or all where there are fewer; the first and the last among them."""
    drawn = random.Random(seed).sample(range(1, count + 1), min(tries, count))
    yield from sorted({1, count, *drawn})


def _ended(work: Work, home: Path, moment: int, writes: bool) -> tuple[bool, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _run(work, home, moment, writes, writing)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        count = told.read()
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) != signal.SIGKILL:
            raise RuntimeError(f"ended by signal {os.WTERMSIG(status)}")
        return True, 0
    if os.WEXITSTATUS(status) != 0:
        raise RuntimeError("the work failed by itself")
    return False, int(count)


def _run(work: Work, home: Path, moment: int, writes: bool, writing: int) -> None:
    count, below = 0, str(home)

    def touched() -> None:
        nonlocal count
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event in EVENTS and isinstance(arguments[0], (str, Path)) and str(arguments[0]).startswith(below):
            touched()

    def watch(frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call" and getattr(argument, "__name__", "") in WRITES:
            file = getattr(argument, "__self__", None)
            if str(getattr(file, "name", "")).startswith(below):
                touched()

    status = 1
    try:
        sys.addaudithook(hear)
        sys.setprofile(watch if writes else None)
        work()
        sys.setprofile(None)
        os.write(writing, str(count).encode())
        status = 0
    except Exception:  # noqa: BLE001 - whatever it is, the other process has to be told
        traceback.print_exc()
    finally:
        os._exit(status)
