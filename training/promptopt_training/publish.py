"""Sends an adapter to the Hub: what goes, what never does."""

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from promptopt.bundle import DRAFTS, MANIFEST, PEFT_FILES, Manifest, builtin_bases, read_json
from promptopt.errors import BundleError, InvalidInput
from promptopt_training.hub import send
from promptopt_training.options import PublishOptions

CARD = "README.md"
_UNSAFE = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".py", ".pyc", ".so", ".dll"})
_PICKLE, _ARCHIVE = b"\x80", b"PK\x03\x04"


def publish(options: PublishOptions, log: Callable[[str], None]) -> None:
    """`promptopt-train publish`. Raises BundleError or InvalidInput for a folder that should not be sent, HubError when sending fails."""
    files = sendable(options.adapter_path)
    manifest = check_adapter(options.adapter_path)
    where = f"{options.repository}@{options.revision}" if options.revision else options.repository
    for name, path in files.items():
        log(f"{path.stat().st_size:>12,} bytes  {path} -> {where}/{name}")
    if options.dry_run:
        log(f"{len(files)} files would be sent to {where}; nothing was.")
        return
    address = send(options.repository, files, f"Adapter of the style {manifest.style}", options.revision, options.private)
    log(f"published: {address}")


def check_adapter(folder: Path) -> Manifest:
    """The manifest of an adapter that others can use. Raises BundleError when it is damaged, InvalidInput when its base is only here."""
    manifest = Manifest.read(folder)
    read_json(folder / PEFT_FILES[0])
    try:
        with safe_open(folder / PEFT_FILES[1], framework="numpy"):
            pass
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{folder / PEFT_FILES[1]} is damaged ({error}).", "Train the adapter again.") from error
    if manifest.base not in builtin_bases() and Path(manifest.base).is_absolute():
        raise InvalidInput(
            f"The base of the adapter is a folder of this machine, {manifest.base}, which nobody else has.",
            "Train with --base and the name of a base that ships with promptopt or is on the Hub.",
        )
    return manifest


def sendable(folder: Path) -> dict[str, Path]:
    """What of an adapter folder is sent, by its name on the Hub. Raises BundleError for a missing file or an unsafe one."""
    if not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}.", "Give the adapter with --adapter_path.")
    unsafe = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and _is_unsafe(path))
    if unsafe:
        raise BundleError(
            f"{folder} holds files that can run code where they are loaded: {', '.join(unsafe)}.",
            "Nothing was sent; give the folder final_adapter, or take them away.",
        )
    names = (*PEFT_FILES, MANIFEST, CARD)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BundleError(f"{folder} lacks {', '.join(missing)}.", "Make an adapter with: promptopt-train lora")
    optional = [DRAFTS] if (folder / DRAFTS).is_file() else []
    return {name: folder / name for name in (*names, *optional)}


def _is_unsafe(path: Path) -> bool:
    """Whether a file is a pickle or code, by its name or its first bytes."""
    if path.suffix == ".safetensors":
        return False
    with path.open("rb") as file:
        head = file.read(4)
    pickled = (head[:1] == _PICKLE and head[1:2] <= b"\x05") or head == _ARCHIVE
    return pickled or path.suffix.lower() in _UNSAFE
