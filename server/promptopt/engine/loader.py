"""What rewrites, ready to run. The compiled form of a model is made once, in a process of its own, and kept in the cache."""

import hashlib
import importlib.util
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from filelock import FileLock

from promptopt.adapters.cache import cache_folder
from promptopt.adapters.locate import access_for, locate
from promptopt.bundle import BASE_FILES, PEFT_FILES, WEIGHTS, Bundle, read_json
from promptopt.engine.model import Model
from promptopt.engine.protocol import MODEL_FILE, Engine
from promptopt.engine.rewriter import Rewriter
from promptopt.errors import BundleError, DamagedModel
from promptopt.files import sha256
from promptopt.settings import Settings

if TYPE_CHECKING:
    from promptopt.engine.modelfile import ModelFile

SOURCE = "source.json"
PARTIAL = "partial-"
COMPILER = 5
SMALL = 100_000_000
_LOG = logging.getLogger(__name__)


def load_rewriter(settings: Settings) -> Rewriter:
    """The model that the settings name, or the server that has it. Raises BundleError, and InvalidInput for settings that contradict."""
    if settings.is_remote:
        from promptopt.engine.remote import remote

        return remote(settings)
    return load_model(settings)


def load_model(settings: Settings) -> Model:
    """The adapter that the settings name, on the engine that they ask for; fetched and compiled first where that was not done yet.

    Raises BundleError.
    """
    bundle = locate(settings.adapter, access_for(settings)).bundle()
    return Model(bundle.manifest, bundle.codec(), _engine(settings, bundle))


def _engine(settings: Settings, bundle: Bundle) -> Engine:
    if settings.engine == "reference" or (settings.engine == "auto" and not _can_be_merged(bundle)):
        return _reference_engine(settings, bundle)
    return open_engine(compiled_model(bundle), settings.threads, bundle.drafts())


def _can_be_merged(bundle: Bundle) -> bool:
    from promptopt.engine.weights import are_updates, is_plain_lora, load_weights

    configuration, weights = (bundle.adapter / name for name in PEFT_FILES)
    return is_plain_lora(read_json(configuration)) and are_updates(load_weights(weights))


def open_engine(model: "ModelFile", threads: int = 0, drafts: bytes = b"") -> Engine:
    """The native engine, or the portable one where the package was installed without a compiler. Raises BundleError."""
    if importlib.util.find_spec("promptopt.engine._native") is None:
        from promptopt.engine.portable import PortableEngine

        return PortableEngine(model)
    from promptopt.engine.compiled import CompiledEngine

    return CompiledEngine(model, threads, drafts=drafts)


def _reference_engine(settings: Settings, bundle: Bundle) -> Engine:
    try:
        from promptopt.engine.reference import ReferenceEngine
    except ModuleNotFoundError as error:
        raise BundleError(
            f"The engine reference, which the adapter {bundle.name!r} is to run on, needs {error.name}, which is not installed.",
            'Install it with: pip install "promptopt[torch]"',
        ) from error
    check_base(bundle)
    return ReferenceEngine(bundle, settings.threads)


def compiled_model(bundle: Bundle, cache: Path | None = None) -> "ModelFile":
    """The compiled form of `bundle`, open; one that is damaged or of another format is made again. Raises BundleError."""
    from promptopt.engine.modelfile import ModelFile

    folder = compiled_folder(bundle, cache)
    try:
        return ModelFile(folder / MODEL_FILE)
    except DamagedModel as error:
        _LOG.warning("%s It is made again now.", error.message)
    with _alone(folder.parent):
        try:
            return ModelFile(folder / MODEL_FILE)  # another process has made it meanwhile
        except DamagedModel:
            _discard(folder)
            _make(bundle, folder)
    return ModelFile(folder / MODEL_FILE)


def compiled_folder(bundle: Bundle, cache: Path | None = None) -> Path:
    """The folder of the compiled form of `bundle`, made now if it is not there; it appears complete or not at all. Raises BundleError."""
    folder = (cache or cache_folder()) / "compiled" / cache_key(bundle)
    if not _is_there(folder):
        with _alone(folder.parent):
            if not _is_there(folder):
                _make(bundle, folder)
    return folder


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Holds off others that would compile, and clears away what killed ones left. What the disk refuses is raised as BundleError."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home.with_suffix(".lock")):
            for left in home.glob(f"{PARTIAL}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
    except OSError as error:
        raise BundleError(f"The cache {home} cannot be written ({error}).", "Free space there, or make the folder writable.") from error


def _is_there(folder: Path) -> bool:
    try:
        return (folder / MODEL_FILE).is_file()
    except OSError as error:
        raise BundleError(f"The cache {folder} cannot be read ({error.strerror}).", "Make the folder readable.") from error


def _make(bundle: Bundle, folder: Path) -> None:
    """Compiles into a folder of its own, which then gets its name: a process that was not done cannot have written there."""
    check_base(bundle)
    partial = folder.parent / f"{PARTIAL}{uuid4().hex}"  # a folder of tempfile's would be its maker's alone, and a cache may be shared
    partial.mkdir()
    try:
        _compile(bundle, partial)
        source = json.dumps({"adapter": str(bundle.adapter), "base": str(bundle.base)})
        (partial / SOURCE).write_text(source, encoding="utf-8")
        _publish(partial, folder)
        _clear_superseded(folder, source)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _clear_superseded(folder: Path, source: str) -> None:
    """Deletes what was made from the same two folders as `folder` was, when they held other weights or were compiled otherwise."""
    for note in folder.parent.glob(f"*/{SOURCE}"):
        if note.parent != folder and note.read_text(encoding="utf-8", errors="replace") == source:
            shutil.rmtree(note.parent, ignore_errors=True)


def _discard(folder: Path) -> None:
    """Deletes a folder; it is gone at once, whoever still reads it reads on."""
    doomed = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder.parent))
    with suppress(FileNotFoundError):  # another process may have deleted it
        folder.rename(doomed / folder.name)
    shutil.rmtree(doomed, ignore_errors=True)


def forget(sources: Collection[Path], cache: Path | None = None) -> list[Path]:
    """Deletes the compiled forms that were made from any of these folders, adapters' or bases', and returns where they were."""
    home, named = (cache or cache_folder()) / "compiled", {str(path.resolve()) for path in sources}
    doomed = [note.parent for note in sorted(home.glob(f"*/{SOURCE}")) if named & set(read_json(note).values())]
    for folder in doomed:
        shutil.rmtree(folder, ignore_errors=True)
    return doomed


def cache_key(bundle: Bundle) -> str:
    """Changes with the base, the adapter and the way they are compiled. Raises BundleError for a file that cannot be read."""
    files = (*(bundle.base / name for name in BASE_FILES), *(bundle.adapter / name for name in PEFT_FILES))
    try:
        parts = [str(COMPILER), quantization(bundle), str(bundle.manifest.extra_ids), *map(sha256, files)]
    except OSError as error:
        raise BundleError(f"{error.filename} cannot be read ({error.strerror}).", "Make it readable, or fetch it again.") from error
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]


def quantization(bundle: Bundle) -> Literal["int8", "float32"]:
    """A small network is kept as it is: a cache holds it, and where it is unsure, which is often, rounding would change what it writes."""
    return "float32" if (bundle.base / WEIGHTS).stat().st_size < SMALL else "int8"


def check_base(bundle: Bundle) -> None:
    """Raises BundleError when the base is not the very one that the adapter was trained on."""
    found = sha256(bundle.base / WEIGHTS)
    if bundle.manifest.base_sha256 not in ("", found):
        raise BundleError(
            f"The adapter {bundle.name!r} was trained on another version of {bundle.manifest.base}.",
            "Train it again on this one: promptopt-train lora",
        )


def _compile(bundle: Bundle, folder: Path) -> None:
    """Runs the compiler; -P keeps the current folder, which may be anybody's project, from being imported."""
    arguments = [bundle.name, str(bundle.adapter), str(bundle.base), str(folder), quantization(bundle)]
    command = [sys.executable, "-P", "-m", "promptopt.engine.process", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL)
    except OSError as error:
        raise _not_compiled(bundle, f"no process could be started ({error.strerror})") from error
    if done.returncode != 0 or not (folder / MODEL_FILE).is_file():
        ended = f"its process was ended by signal {-done.returncode}" if done.returncode < 0 else "no message"
        raise _not_compiled(bundle, (done.stderr.strip().splitlines() or [ended])[-1])


def _not_compiled(bundle: Bundle, why: str) -> BundleError:
    return BundleError(
        f"The adapter {bundle.name!r} could not be compiled: {why}",
        "Check free memory and disk space, and that the adapter was trained on this base.",
    )


def _publish(partial: Path, folder: Path) -> None:
    """Renames the finished folder into place; another process may have been first, which is as good."""
    if folder.is_dir() and not (folder / MODEL_FILE).is_file():
        shutil.rmtree(folder, ignore_errors=True)
    try:
        partial.rename(folder)
    except OSError as error:
        if not (folder / MODEL_FILE).is_file():
            raise BundleError(f"The compiled model cannot be put into {folder} ({error}).", "Delete that folder and try again.") from error
