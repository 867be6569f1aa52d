"""A small Hub on loopback, speaking what the real client asks: listings, files by range, commits. It fails on demand."""

import base64
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest

from promptopt.adapters import hub as client

CHUNK = 1 << 12
_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_COMMIT = re.compile(r"/api/models/([^/]+/[^/]+)/commit/([^/]+)")


@dataclass
class Repository:
    """Files at one commit, and the branches and tags that stand there."""

    files: Mapping[str, bytes]
    commit: str
    revisions: tuple[str, ...] = ("main",)

    def sibling(self, name: str) -> dict[str, Any]:
        """How the listing speaks of a file: models are in large storage, everything else is in git."""
        content = self.files[name]
        entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob(content)}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 134}
        return entry


@dataclass
class Fault:
    """What goes wrong with the files (or the listing, `on="api"`) whose path ends with `suffix`, the first `times` times.
    `on="post"`: with whatever is sent to a path that ends so.

    status: answered instead.  headers: with it.  cut: the connection breaks after so many bytes.  slow: seconds before each 4 KiB.
    replace: this content is served; the listing still announces the true one.  redirect: to this address, the path appended.
    """

    suffix: str = ""
    on: str = "file"
    times: int = 1_000_000
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    slow: float = 0.0
    replace: bytes | None = None
    redirect: str = ""


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]


class LocalHub:
    """Repositories by id, those that were made by a client, faults to play, and what was asked."""

    def __init__(self) -> None:
        self.repositories: dict[str, list[Repository]] = {}
        self.created: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.served = 0
        self._lock = threading.Lock()
        hub = self

        class Handler(_Handler):
            def setup(self) -> None:
                self.hub = hub
                super().setup()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, id: str, files: Mapping[str, bytes], revisions: tuple[str, ...] = ("main",)) -> str:
        """Adds a commit on which `revisions` stand from now on; returns its hash."""
        commit = hashlib.sha1(repr((id, sorted(files.items()))).encode()).hexdigest()
        for other in self.repositories.setdefault(id, []):
            other.revisions = tuple(name for name in other.revisions if name not in revisions)
        self.repositories[id].append(Repository(files, commit, revisions))
        return commit

    def find(self, id: str, revision: str) -> Repository | None:
        """The repository at a branch, tag or commit."""
        return next((r for r in self.repositories.get(id, ()) if revision in (r.commit, *r.revisions)), None)

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer to what a client sends: a new repository or branch, or a commit."""
        fault, commit = self.fault_for("post", path), _COMMIT.fullmatch(path)
        if fault.status:
            return fault.status, {"error": "refused"}
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return 200, {"url": f"{self.url}/{self.created[-1]['organization']}/{self.created[-1]['name']}"}
        if commit:
            made = self._commit(commit[1], commit[2], body)
            return 200, {"commitUrl": f"{self.url}/{commit[1]}/commit/{made}", "commitOid": made, "success": True}
        if "/preupload/" in path:
            files = [file["path"] for file in json.loads(body)["files"]]
            return 200, {"files": [{"path": file, "uploadMode": "regular", "shouldIgnore": False} for file in files]}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        return (200, {}) if "/branch/" in path else (404, {"error": "unknown"})

    def _commit(self, id: str, revision: str, body: bytes) -> str:
        before = self.find(id, revision)
        rows = [row["value"] for row in map(json.loads, body.splitlines()) if row["key"] == "file"]
        sent = {row["path"]: base64.b64decode(row["content"]) for row in rows}
        return self.add(id, {**(before.files if before else {}), **sent}, (revision,))

    def fault_for(self, on: str, path: str) -> Fault:
        """The fault to play now; one that does nothing where there is none."""
        with self._lock:
            for fault in self.faults:
                if fault.on == on and fault.times > 0 and path.endswith(fault.suffix):
                    fault.times -= 1
                    return fault
        return Fault()

    def gets(self, suffix: str) -> list[Asked]:
        """The requests for the content of a file."""
        return [asked for asked in self.asked if asked.method == "GET" and asked.path.endswith(suffix)]

    @contextmanager
    def running(self) -> Iterator["LocalHub"]:
        """Serves within the block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def blob(content: bytes) -> str:
    """Git's hash of a file."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


def use(hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets this process and those that it starts talk to `hub`, with a cache of their own and no waiting."""
    root = Path(__file__).parents[2]
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    paths = [str(root / name) for name in ("server", "training", "tests")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(client, "WAITS", (0.0, 0.0, 0.0))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LocalHub

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(Asked(self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        if match := _API.fullmatch(path):
            self._listing(match[1], unquote(match[2] or "main"), path)
        elif match := _FILE.fullmatch(path):
            self._file(match[1], match[2], match[3], path)
        else:
            self._answer(200 if path == "/" else 404, b"")

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(Asked(self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        status, data = self.hub.take(path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self._answer(status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _listing(self, id: str, revision: str, path: str) -> None:
        fault = self.hub.fault_for("api", path)
        repository = self.hub.find(id, revision)
        if fault.status:
            self._answer(fault.status, b"{}", fault.headers)
        elif id not in self.hub.repositories:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif repository is None:
            self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            siblings = [repository.sibling(name) for name in repository.files]
            self._answer(200, json.dumps({"id": id, "sha": repository.commit, "siblings": siblings}).encode())

    def _file(self, id: str, revision: str, name: str, path: str) -> None:
        fault = self.hub.fault_for("file", path)
        repository = self.hub.find(id, revision)
        if fault.status:
            return self._answer(fault.status, b"", fault.headers)
        if repository is None or name not in repository.files:
            return self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        true = repository.sibling(name)
        etag = true.get("lfs", {}).get("sha256", true["blobId"])
        known = {"ETag": f'"{etag}"', "X-Repo-Commit": repository.commit, "X-Linked-Size": str(true["size"]), "X-Linked-ETag": f'"{etag}"'}
        if fault.redirect:
            return self._answer(302, b"", {**known, "Location": fault.redirect + self.path})
        content = repository.files[name] if fault.replace is None else fault.replace
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        start = int(asked[1]) if asked else 0
        if start >= len(content) > 0:
            return self._answer(416, b"", known)
        if asked:
            known["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(206 if asked else 200, content[start:], {**known, "Accept-Ranges": "bytes"}, fault)

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, fault: Fault | None = None) -> None:
        fault = fault or Fault()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = body if fault.cut is None else body[: fault.cut]
        try:
            for place in range(0, len(sent), CHUNK):
                time.sleep(fault.slow)
                self.wfile.write(sent[place : place + CHUNK])
                self.wfile.flush()
                self.hub.served += len(sent[place : place + CHUNK])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        if fault.cut is not None:
            self.close_connection = True
