"""The Hub, through its own client: what a repository holds, and the bytes of a file from where an earlier try stopped."""

import errno
import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,  # that of the HTTP library under the client, which has had two names
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status  # type: ignore[attr-defined]

from promptopt import __version__
from promptopt.adapters.names import Reference
from promptopt.errors import Cancelled, HubError

TIMEOUT = 10.0
"Seconds without a byte after which a connection counts as broken."
WAITS = (1.0, 2.0, 4.0)
"Seconds before each further try at a file; tries that brought bytes do not count."
LONGEST_WAIT = 30.0
_BLOCK = 1 << 20
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_AGENT = {"user-agent": f"promptopt/{__version__}"}


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository: its size in bytes, and the hash by which the Hub knows it.

    sha256: of files in large storage.  blob: of others, git's own (SHA-1 over a header and the content).
    """

    name: str
    size: int
    sha256: str | None
    blob: str | None

    def is_at(self, path: Path) -> bool:
        """Whether the file at `path` is this one, by size and hash."""
        return path.is_file() and path.stat().st_size == self.size and self._hash_matches(path)

    def _hash_matches(self, path: Path) -> bool:
        with path.open("rb") as file:
            if self.sha256:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
            git = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
            while chunk := file.read(_BLOCK):
                git.update(chunk)
            return self.blob is None or git.hexdigest() == self.blob


@dataclass(frozen=True)
class Listing:
    """A repository at one commit."""

    commit: str
    files: Mapping[str, RemoteFile]


def endpoint() -> str:
    """The Hub's address: huggingface.co, or what HF_ENDPOINT says."""
    return str(constants.ENDPOINT)


def listing(reference: Reference) -> Listing:
    """What the Hub has under `reference`. Raises HubError saying why it cannot be told."""
    try:
        api = HfApi(endpoint=endpoint(), headers=_AGENT)
        info = api.model_info(reference.id, revision=reference.revision, files_metadata=True, timeout=TIMEOUT)
    except HfHubHTTPError as error:
        raise refusal(reference, error) from error
    except (HTTPError, OSError) as error:
        raise unreachable(error) from error
    files = [
        RemoteFile(found.rfilename, found.size, found.lfs.sha256 if found.lfs else None, found.blob_id)
        for found in info.siblings or ()
        if found.size is not None
    ]
    commit = info.sha or ""
    if not re.fullmatch(r"\w+", commit, re.ASCII):  # it becomes the name of a folder
        raise HubError(f"{endpoint()} does not say at which commit {reference} is.", "Check HF_ENDPOINT; it may be no Hub.")
    return Listing(commit, {file.name: file for file in files})


def fetch(reference: Reference, commit: str, file: RemoteFile, path: Path, report: Callable[[int], None], stop: threading.Event) -> None:
    """Appends to `path` what it lacks of `file`; a broken connection is taken up again.

    `report` is told how many bytes are there. Raises HubError, Cancelled once `stop` is set, OSError where `path` cannot be written.
    """
    failures = 0
    while True:
        before = _size(path)
        try:
            return _stream(reference, commit, file, path, report, stop)
        except HfHubHTTPError as error:
            problem = refusal(reference, error)
            if error.response.status_code not in _TRANSIENT:
                raise problem from error
            wanted = error.response.headers.get("retry-after", "")
            wait = min(float(wanted), LONGEST_WAIT) if wanted.isdigit() else 0.0
        except HTTPError as error:
            problem, wait = broken(file, error), 0.0
        failures = 1 if _size(path) > before else failures + 1
        if failures > len(WAITS):
            raise problem
        stop.wait(max(wait, WAITS[failures - 1]))


def _stream(reference: Reference, commit: str, file: RemoteFile, path: Path, report: Callable[[int], None], stop: threading.Event) -> None:
    """One try of `fetch`. Whatever the server sends, no more is taken than the file has."""
    done = _size(path)
    report(done)
    if done == file.size:
        return path.touch()
    url = hf_hub_url(reference.id, file.name, revision=commit, endpoint=endpoint())
    headers = build_hf_headers(headers={**_AGENT, "accept-encoding": "identity", **({"range": f"bytes={done}-"} if done else {})})
    with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT) as response:
        hf_raise_for_status(response)
        resumed = response.status_code == 206 and response.headers.get("content-range", "").startswith(f"bytes {done}-")
        with path.open("ab" if resumed else "wb") as target:
            done = done if resumed else 0
            for chunk in response.iter_bytes():
                if stop.is_set():
                    raise Cancelled(f"Fetching {reference} was cancelled.", "The next try goes on where this one stopped.")
                target.write(chunk)
                done += len(chunk)
                report(done)
                if done > file.size:
                    return


def reachable() -> str:
    """Why the Hub cannot be reached; empty when it answers."""
    try:
        get_session().head(endpoint(), headers=_AGENT, timeout=TIMEOUT / 2)
    except (HTTPError, OSError) as error:
        return _reason(error)
    return ""


def refusal(reference: Reference, error: HfHubHTTPError, action: str = "read") -> HubError:
    """The sentence for an answer of the Hub that is none; `action` is what was tried with the repository."""
    status, page = error.response.status_code, f"{endpoint()}/{reference.id}"
    again = "Run the command again later; what is already here is kept."
    if isinstance(error, GatedRepoError):
        return HubError(f"{reference.id} is gated: its owner has to let you in.", f"Ask for access at {page}, then run: hf auth login")
    if isinstance(error, RevisionNotFoundError):
        return HubError(f"{reference.id} has no revision {reference.revision!r}.", f"See which there are at {page}")
    if status in (401, 403):
        return HubError(f"The Hub does not let you {action} {reference.id} ({status}).", "If you have access, log in with: hf auth login")
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return HubError(
            f"There is no {reference.id} on the Hub.",
            "Check the spelling, also of a folder; for a private repository: hf auth login",
        )
    if status == 429:
        return HubError("The Hub has had too many requests from here (429).", again)
    return HubError(f"The Hub failed while it was asked for {reference.id} ({status}).", again)


def unreachable(error: Exception) -> HubError:
    """The sentence for no answer at all."""
    return HubError(
        f"The Hub at {endpoint()} cannot be reached ({_reason(error)}).",
        "Check the network and run the command again, or name a folder or a built-in adapter.",
    )


def broken(file: RemoteFile, error: Exception) -> HubError:
    """The sentence for a connection that broke in the middle."""
    return HubError(
        f"The connection to the Hub broke while {file.name} was fetched ({_reason(error)}).",
        "Run the command again; it goes on where it stopped.",
    )


def _reason(error: Exception) -> str:
    """Name and first line of an error of the HTTP library, whose messages may be empty or long."""
    code = errno.errorcode.get(getattr(error, "errno", None) or 0, "")
    return (str(error).strip().splitlines() or [code or type(error).__name__])[0]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
