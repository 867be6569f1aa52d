"""kill_replacements.py HOME TRIES: replaces a folder, killed at drawn moments; the next one finds the old content or the new."""

import json
import sys
from contextlib import suppress
from pathlib import Path

from dying import killed, moments, touches

from promptopt.files import whole_folder

home, tries = Path(sys.argv[1]), int(sys.argv[2])


class Stopped(Exception):
    """What ends the next replacement, as a training may end before its first adapter."""


def replace(folder: Path) -> None:
    """Puts the new content in the place of the old one."""
    with whole_folder(folder) as partial:
        (partial / "content").write_text("new")


def filled(name: str) -> Path:
    """A folder with the old content."""
    folder = home / name
    folder.mkdir()
    (folder / "content").write_text("old")
    return folder


tried = died = 0
for moment in moments(touches(lambda: replace(filled("counted")), home), tries):
    folder, tried = filled(str(moment)), tried + 1
    died += killed(lambda folder=folder: replace(folder), home, moment)
    with suppress(Stopped), whole_folder(folder):
        raise Stopped
    assert (folder / "content").read_text() in ("old", "new"), moment
print(json.dumps({"tries": tried, "died": died}))
