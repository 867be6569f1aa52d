"""A server elsewhere (`promptopt serve`) that rewrites in the place of a network here."""

import json
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from promptopt.adapters.names import is_offline
from promptopt.credentials import SERVICE, VARIABLE, token_for
from promptopt.engine.exchange import EVENTS, SILENCE_SECONDS, Exchange, Head, connect_to
from promptopt.engine.rewriter import Progress, Report, Written
from promptopt.errors import Busy, InvalidInput, PromptoptError, Refused, RewriteFailed, TooLarge, Unavailable
from promptopt.files import parse_json
from promptopt.settings import Settings

_JSON = "application/json"
_OWN: Mapping[str, type[PromptoptError]] = {kind.code: kind for kind in (InvalidInput, TooLarge, RewriteFailed, Busy)}
"Failures that are about the prompt or the moment, and that the server says as this machine would."


def remote(settings: Settings) -> "Remote":
    """The server of the settings; no socket is opened before the first prompt. Raises InvalidInput when it cannot be asked."""
    url = settings.remote_url
    if not url:
        raise InvalidInput(
            "The engine remote needs the address of a server.",
            "Set promptopt.remoteUrl (--remote_url) to one like http://prompts.example.org:8000.",
        )
    if is_offline(settings.offline):
        raise InvalidInput(
            f"Offline mode is on, so the server {url} is not asked.",
            "Turn promptopt.offline and HF_HUB_OFFLINE off, or take another engine.",
        )
    style = "" if settings.adapter == Settings().adapter else settings.adapter
    return Remote(url, style)


class Remote:
    """A Rewriter. style: the adapter to name to the server; empty for the one that it was started with.

    silence: seconds without a word after which the server is given up.  token: what to send to a host, empty for nothing.
    """

    def __init__(self, url: str, style: str, silence: float = SILENCE_SECONDS, token: Callable[[str], str] = token_for) -> None:
        parts = urlsplit(url)
        self._url = url
        self._path = parts.path.rstrip("/")
        self._host = parts.netloc
        self._style = {"style": style} if style else {}
        self._silence = silence
        self._token = token

    @property
    def name(self) -> str:
        """The server, for people."""
        return f"remote, {self._url}"

    def rewrite(self, prompt: str, stop: threading.Event, report: Report | None) -> Written:
        """See Rewriter. Without `report` the prompt can share a batch on the server. Raises what `_failure` makes, and Unavailable."""
        asked = {"prompt": prompt}
        return self._streamed(asked, stop, report) if report else self._written(self._answer("/optimize", asked, stop))

    def variants(self, prompt: str, count: int, stop: threading.Event) -> list[Written]:
        """See Rewriter. Raises what `rewrite` raises."""
        answer = self._answer("/optimize", {"prompt": prompt, "variants": count}, stop)
        others = answer.get("variants")
        return [self._written(row) for row in (answer, *(others if isinstance(others, list) else ()))]

    def batch(self, prompts: Sequence[str], stop: threading.Event) -> list[Written | RewriteFailed | InvalidInput]:
        """See Rewriter. What is too large for the server is sent in halves, and fails alone. Raises what `rewrite` raises."""
        try:
            rows = self._answer("/optimize/batch", {"prompts": prompts}, stop).get("results")
        except TooLarge as error:
            half = len(prompts) // 2
            return [*self.batch(prompts[:half], stop), *self.batch(prompts[half:], stop)] if half else [error]
        if not isinstance(rows, list) or len(rows) != len(prompts):
            raise self._odd("another number of rewrites than it was asked for")
        return [self._outcome(row) for row in rows]

    def _streamed(self, asked: Mapping[str, Any], stop: threading.Event, report: Report) -> Written:
        text = ""
        with closing(self._post("/optimize/stream", asked, EVENTS, stop)) as lines:
            for name, data in events(lines):
                told = self._object(data)
                if name == "done":
                    return self._written(told)
                if name == "error":
                    raise self._failure(told)
                delta, tokens = told.get("delta"), told.get("tokens")
                if not isinstance(delta, str) or type(tokens) is not int:
                    raise self._odd("a progress that is none")
                text += delta
                report(Progress(text, tokens))
        raise Unavailable(f"The server {self._url} broke off before the rewrite was whole.", "Try again; if it goes on, ask who runs it.")

    def _answer(self, path: str, asked: Mapping[str, Any], stop: threading.Event) -> Mapping[str, Any]:
        """The JSON object that answers a request."""
        with closing(self._post(path, asked, _JSON, stop)) as body:
            return self._object(b"".join(body))

    def _post(self, path: str, asked: Mapping[str, Any], kind: str, stop: threading.Event) -> Generator[bytes, None, None]:
        """The body of a good answer of this kind, as it comes. Raises Unavailable, Cancelled, and what `_failure` makes."""
        token = self._token(self._host)
        headers = {"Content-Type": _JSON, "Accept": f"{kind}, {_JSON}", **({"Authorization": f"Bearer {token}"} if token else {})}
        body = json.dumps({**asked, **self._style}).encode()
        with closing(Exchange(connect_to(self._url), self._silence).post(f"{self._path}{path}", body, headers, stop)) as told:
            head = next(told)
            assert isinstance(head, Head)
            rest = (part for part in told if isinstance(part, bytes))
            if head.status == 401:
                raise self._unauthorised(bool(token))
            if head.status == 413 and head.kind != _JSON:  # what stands before the server says so in its own form
                raise TooLarge(f"The request is too large for {self._url}.", "Send fewer prompts at a time, or shorter ones.")
            if head.status != 200 or head.kind != kind:
                problem = self._object(b"".join(rest), head.status).get("error")
                raise self._failure(problem, head.status)
            yield from rest

    def _outcome(self, row: Any) -> Written | RewriteFailed | InvalidInput:
        if not isinstance(row, dict) or "error" not in row:
            return self._written(row)
        failure = self._failure(row["error"])
        if isinstance(failure, (RewriteFailed, InvalidInput)):
            return failure
        raise failure

    def _object(self, data: bytes, status: int = 200) -> Mapping[str, Any]:
        """The JSON object in `data`. Raises Unavailable when it is none."""
        try:
            read = parse_json(data)
        except ValueError:
            read = None
        if not isinstance(read, dict):
            raise self._odd(f"something else than JSON, with status {status}")
        return read

    def _written(self, row: Any) -> Written:
        """A result of the server's. Raises Unavailable when it is none."""
        values = [row.get(name) for name in ("optimized_prompt", "confidence", "tokens")] if isinstance(row, dict) else []
        match values:
            case [str(text), float() | int() as confidence, int(tokens)] if text.strip() and 0 <= confidence <= 1:
                return Written(text, float(confidence), tokens)
        raise self._odd("a result that is no rewrite")

    def _failure(self, problem: Any, status: int = 200) -> PromptoptError:
        """What the server said went wrong: as it is where it is about the prompt or the moment, else with the server's name."""
        said = problem if isinstance(problem, dict) else {}
        match [said.get(name) for name in ("code", "message", "hint")]:
            case [str(code), str(message), str(hint)] if code in _OWN:
                return _OWN[code](message, hint)
            case [Refused.code, str(message), str(hint)]:
                return Refused(f"The server {self._url} refuses. {message}", hint)
            case [str(), str(message), str(hint)]:
                return Unavailable(f"The server {self._url} cannot rewrite. {message}", hint)
        return self._odd(f"an answer of another kind, with status {status}")

    def _unauthorised(self, sent: bool) -> Refused:
        what = "does not take the token that it was sent" if sent else "wants a token, and there is none"
        where = f"Set {VARIABLE} to the server's, or keep it in the keyring: keyring set {SERVICE} {self._host}"
        return Refused(f"The server {self._url} {what}.", where)

    def _odd(self, what: str) -> Unavailable:
        return Unavailable(f"{self._url} sent {what}.", "Check promptopt.remoteUrl: it should be the address of promptopt serve.")


def events(lines: Iterable[bytes]) -> Generator[tuple[str, bytes], None, None]:
    """Server-sent events, each its name and its data; one that the end of `lines` cuts off is none."""
    name, data = "", []
    for line in lines:
        field, _, value = line.rstrip(b"\r\n").partition(b":")
        if field == b"event":
            name = value.strip().decode(errors="replace")
        elif field == b"data":
            data.append(value.removeprefix(b" "))
        elif not field and not value and data:
            yield name, b"\n".join(data)
            name, data = "", []
