"""A Hub on loopback that takes commits: the few endpoints that the real client asks when an adapter is published."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeHub:
    """What was sent to it; a path in `refusals` is answered with that status."""

    address: str = ""
    requests: list[str] = field(default_factory=list)
    created: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    revision: str = ""
    refusals: dict[str, int] = field(default_factory=dict)

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer to a POST."""
        self.requests.append(path)
        refused = next((status for part, status in self.refusals.items() if part in path), None)
        if refused:
            return refused, {"error": "refused"}
        if path == "/api/repos/create":
            self.created = json.loads(body)
            return 200, {"url": f"{self.address}/{self.created['organization']}/{self.created['name']}"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            wanted = json.loads(body)["files"]
            return 200, {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in wanted]}
        if "/commit/" in path:
            return 200, self._commit(path, body)
        return (200, {}) if "/branch/" in path else (404, {"error": "unknown"})

    def _commit(self, path: str, body: bytes) -> dict[str, Any]:
        for row in map(json.loads, body.splitlines()):
            if row["key"] == "file":
                self.files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
        self.revision = path.rsplit("/", 1)[1]
        return {"commitUrl": f"{self.address}/owner/name/commit/{'a' * 40}", "commitOid": "a" * 40, "success": True}


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """A Hub that runs as long as the block."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, data = hub.answer(self.path.split("?")[0], body)
            content = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *given: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
