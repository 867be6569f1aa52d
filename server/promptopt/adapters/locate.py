"""From the name in a setting to a bundle on disk: built in, a folder, the cache, the Hub, in this order.

A name without a slash that is built in means the built-in one, whatever the current folder holds: the default must not change with the
place where an editor was started. For every other name a folder that exists wins. What remains is `owner/name` or `owner/name@revision`,
on the Hub: taken from the cache where it is there and whole, and fetched otherwise.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from promptopt.adapters.access import Access
from promptopt.adapters.cache import Entry, damage
from promptopt.adapters.checks import refuse_code, refuse_pickles
from promptopt.adapters.names import ADAPTER, BASE, Kind, Reference, is_offline
from promptopt.bundle import (
    MANIFEST,
    PEFT_FILES,
    Bundle,
    Manifest,
    builtin_adapters,
    builtin_bases,
    builtin_folder,
    open_bundle,
    read_json,
    user_folder,
)
from promptopt.errors import BundleError, HubError
from promptopt.settings import Settings

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where something was found: its folder, and for what came from the Hub its index in the cache."""

    folder: Path
    source: Literal["built in", "folder", "Hub"]
    entry: Entry | None = None


@dataclass(frozen=True)
class Located:
    """An adapter and the base that it names."""

    name: str
    adapter: Place
    base_name: str
    base: Place

    def bundle(self) -> Bundle:
        """The two, read. Raises BundleError when something in them is missing or malformed."""
        return open_bundle(self.name, self.adapter.folder, self.base.folder)


def access_for(settings: Settings) -> Access:
    """What the settings and the environment allow; nobody is told of bytes."""
    return Access(offline=is_offline(settings.offline))


def may_need_hub(adapter: str) -> bool:
    """Whether an adapter, or the base that it names, may have to be fetched. A built-in one has its base built in."""
    place = _here(adapter, ADAPTER)
    return Reference.parse(adapter) is not None if place is None else place.source == "folder"


def locate(adapter: str, access: Access) -> Located:
    """Finds an adapter and its base, fetching what the cache lacks. Raises BundleError or HubError saying what to do, Cancelled."""
    found = find(adapter, ADAPTER, access)
    name, weights_sha256 = base_named_by(found.folder)
    stranger = found.source == "Hub"
    if stranger and name not in builtin_bases() and Reference.parse(name) is None:
        raise BundleError(
            f"{adapter} names as its base {name!r}, which is neither built in nor owner/name on the Hub.",
            "Ask its author to name the base by its place on the Hub.",
        )
    return Located(adapter, found, name, find(name, BASE, access, weights_sha256, folders=not stranger))


def find(name: str, kind: Kind, access: Access, weights_sha256: str = "", folders: bool = True) -> Place:
    """Finds one adapter or base; what an adapter from the Hub names is never a folder of this machine. Raises as `locate`."""
    reference = Reference.parse(name)
    place = _here(name, kind, folders)
    if place is None and reference is not None:
        place = _from_hub(reference, kind, access, weights_sha256)
    if place is None:
        names = ", ".join(builtin_adapters() if kind is ADAPTER else builtin_bases())
        raise BundleError(f"There is no {kind.name} {name!r}.", f"Give a folder, owner/name on the Hub, or one of: {names}.")
    refuse_pickles(place.folder, name, kind)
    refuse_code(place.folder, name)
    return place


def base_named_by(adapter: Path) -> tuple[str, str]:
    """The base that the adapter in a folder names, and the hash of its weights; empty where it names none."""
    if (adapter / MANIFEST).is_file():
        manifest = Manifest.read(adapter)
        return manifest.base, manifest.base_sha256
    configuration = read_json(adapter / PEFT_FILES[0])
    base, revision = configuration.get("base_model_name_or_path"), configuration.get("revision")
    if not isinstance(base, str) or not base:
        raise BundleError(f"The adapter in {adapter} does not name its base.", "Add base_model_name_or_path to its adapter_config.json.")
    return (f"{base}@{revision}" if isinstance(revision, str) and Reference.parse(base) else base), ""


def _here(name: str, kind: Kind, folders: bool = True) -> Place | None:
    """What is built in under `name`, or the folder of that name if `folders` count."""
    if name in (builtin_adapters() if kind is ADAPTER else builtin_bases()):
        return Place((builtin_folder() / name).resolve(), "built in")
    folder = user_folder(name) if folders else None
    return Place(folder.resolve(), "folder") if folder else None


def _from_hub(reference: Reference, kind: Kind, access: Access, weights_sha256: str) -> Place:
    """The repository from the cache, from the Hub where it is not there or damaged. Raises HubError, Cancelled."""
    cached = access.cache.find(reference)
    damaged = damage(*cached) if cached else {}
    if cached and not damaged:
        return _of_kind(Place(cached[0], "Hub", cached[1]), reference, kind)
    state = f"{reference} is not in the cache"
    if damaged:
        listed = ", ".join(f"{name}: {what}" for name, what in damaged.items())
        state = f"{reference} in the cache {access.cache.home} is damaged ({listed})"
    if access.offline:
        raise HubError(f"{state}, and offline mode is on.", f"With a network, run: promptopt adapters pull {reference}")
    if damaged:
        _LOG.warning("%s; it is fetched again.", state)
    from promptopt.adapters.pull import pull

    wanted = Reference(reference.id, cached[1].commit) if cached else reference
    try:
        folder, entry = pull(wanted, access, weights_sha256)
    except HubError as error:
        raise HubError(f"{state}. {error.message}", error.hint) from error
    return _of_kind(Place(folder, "Hub", entry), reference, kind)


def _of_kind(place: Place, reference: Reference, kind: Kind) -> Place:
    if place.entry and place.entry.kind != kind.name:
        raise BundleError(f"{reference} is a model of kind {place.entry.kind}, where one of kind {kind.name} is needed.", "Check the name.")
    return place
