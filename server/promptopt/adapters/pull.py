"""Fetches a repository from the Hub into the cache: resumed, verified, and there as a whole or not at all."""

import errno
import shutil
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from promptopt.adapters import hub
from promptopt.adapters.access import Access, Fetched
from promptopt.adapters.cache import Entry, Record, damage
from promptopt.adapters.checks import refuse_code
from promptopt.adapters.names import Kind, Reference, is_plain, kind_of, pickled
from promptopt.bundle import WEIGHTS
from promptopt.errors import BundleError, Cancelled, HubError
from promptopt.files import folder_size, sha256


def pull(reference: Reference, access: Access, weights_sha256: str = "") -> tuple[Path, Entry]:
    """The folder of `reference` in the cache and its index, as the Hub has it now; only what is missing or damaged is fetched.

    weights_sha256: what the weights of a base must be; empty for any. Raises HubError or BundleError saying what is refused and why,
    Cancelled once `access.stop` is set. Whatever happens, what was in the cache stays usable and what came so far is kept for the next try.
    """
    listing = hub.listing(reference)
    files = selected(reference, listing)
    weights = files.get(WEIGHTS)
    if weights_sha256 and weights and weights.sha256 not in (None, weights_sha256):
        raise HubError(
            f"{reference} is not the base that the adapter was trained on: its weights have changed since.",
            "Ask the adapter's author to name the revision of the base, as owner/name@commit.",
        )
    with access.cache.lock(reference.id, lambda: _check(reference, access.stop)):
        return _Pull(reference, listing.commit, files, access).run()


def selected(reference: Reference, listing: hub.Listing) -> Mapping[str, hub.RemoteFile]:
    """The files to fetch, smallest first. Raises BundleError for a repository that promptopt does not touch."""
    odd = next((name for name in listing.files if not is_plain(name)), None)
    if odd is not None:
        raise BundleError(f"{reference} lists a file {odd!r}, which would be written outside its folder.", "Do not use this repository.")
    kind = kind_of(listing.files)
    refuse_incomplete(str(reference), kind, listing)
    wanted = [file for file in listing.files.values() if kind.wants(file.name)]
    return {file.name: file for file in sorted(wanted, key=lambda file: (file.size, file.name))}


def refuse_incomplete(name: str, kind: Kind, listing: hub.Listing) -> None:
    """Raises BundleError when a repository lacks a file that its kind must have."""
    pickles = pickled(kind.required, listing.files)
    if pickles:
        raise BundleError(
            f"{name} has its weights as pickles only ({', '.join(pickles)}); opening them can run any code.",
            "Ask its author for model files in the safetensors format.",
        )
    missing = [file for file in kind.required if file not in listing.files]
    if missing:
        raise BundleError(f"{name} lacks {', '.join(missing)}; it is no {kind.name} that promptopt can use.", "Check the name.")


class _Pull:
    """One pull by the holder of the lock."""

    def __init__(self, reference: Reference, commit: str, files: Mapping[str, hub.RemoteFile], access: Access) -> None:
        self._reference = reference
        self._commit = commit
        self._files = files
        self._access = access
        self._cache = access.cache
        self._folder = access.cache.folder(reference.id, commit)
        self._partial = access.cache.partial(reference.id, commit)

    def run(self) -> tuple[Path, Entry]:
        old = self._present()
        whole = set(old.files) - set(damage(self._folder, old, thorough=True)) if old else set()
        missing = {name: file for name, file in self._files.items() if name not in whole}
        if missing:
            self._gather(missing)
        entry = self._entry(old, missing)
        if old is None:
            entry.write(self._partial)
            self._cache.publish(self._reference.id, self._commit)
        else:
            for name in missing:
                (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
                (self._partial / name).replace(self._folder / name)
            entry.write(self._folder)
        self._take_over()
        self._cache.sweep(self._reference.id)
        return self._folder, entry

    def _take_over(self) -> None:
        """From now on no other commit is meant by this revision; when each was fetched would not say so after a clock was set back."""
        for folder, entry in self._cache.entries():
            if entry and entry.id == self._reference.id and folder != self._folder and self._reference.revision in entry.revisions:
                others = tuple(name for name in entry.revisions if name != self._reference.revision)
                replace(entry, revisions=others).write(folder)

    def _present(self) -> Entry | None:
        try:
            return Entry.read(self._folder)
        except BundleError:
            return None

    def _gather(self, files: Mapping[str, hub.RemoteFile]) -> None:
        """Fetches files into the partial folder and verifies each. Raises BundleError as soon as one is refused."""
        total = sum(file.size for file in files.values())
        self._partial.mkdir(parents=True, exist_ok=True)
        here = folder_size(self._partial)
        free = shutil.disk_usage(self._partial).free
        if total - here > free:
            raise OSError(errno.ENOSPC, f"{total - here:,} bytes are needed, {free:,} are free")
        done = 0
        for file in files.values():
            self._fetch(file, done, total)
            done += file.size
            refuse_code(self._partial, str(self._reference))

    def _fetch(self, file: hub.RemoteFile, before: int, total: int) -> None:
        """Fetches one file; if the part that an earlier try left was not right, once more from its beginning."""
        path = self._partial / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        resumed = path.is_file() and path.stat().st_size > 0
        if resumed and path.stat().st_size > file.size:
            path.unlink()

        def report(done: int) -> None:
            self._access.report(Fetched(str(self._reference), before + done, total))

        hub.fetch(self._reference, self._commit, file, path, report, self._access.stop)
        if not file.is_at(path) and resumed:
            path.unlink()
            hub.fetch(self._reference, self._commit, file, path, report, self._access.stop)
        if not file.is_at(path):
            size = path.stat().st_size
            path.unlink()
            what = f"{size:,} bytes instead of {file.size:,}" if size != file.size else "a content of another hash than the Hub announces"
            raise HubError(f"{file.name} of {self._reference} came with {what}; it was thrown away.", "Run the command again.")

    def _entry(self, old: Entry | None, fetched: Mapping[str, hub.RemoteFile]) -> Entry:
        """The index of what is there now."""
        kept = dict(old.files) if old else {}
        revisions = {self._reference.revision, *(old.revisions if old else ())} - {self._commit}
        now = datetime.now(UTC).isoformat()
        return Entry(
            id=self._reference.id,
            commit=self._commit,
            kind=kind_of(self._files).name,
            revisions=tuple(sorted(revisions)),
            endpoint=hub.endpoint(),
            fetched=old.fetched if old and self._reference.revision == self._commit else now,
            files={**kept, **{name: Record(file.size, sha256(self._partial / name)) for name, file in fetched.items()}},
        )


def _check(reference: Reference, stop: threading.Event) -> None:
    if stop.is_set():
        raise Cancelled(f"Fetching {reference} was cancelled.", "The next try goes on where this one stopped.")
