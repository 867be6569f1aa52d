"""Whole conversations, every message of the server in its order, with clients that declare what real ones do."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import pytest_lsp
from fakes import LEAD, TAIL, fake_rewrite, mini_codec
from processes import FAKE, Message, messages, send, started

from promptopt import __version__
from promptopt.bundle import builtin_adapters

SHIPPED = Path(pytest_lsp.__file__).parent / "clients"
OWN = Path(__file__).parent / "clients"
CLIENTS = {
    "neovim": SHIPPED / "neovim_v0.11.0.json",
    "emacs": SHIPPED / "emacs_v29.1.json",
    "helix": OWN / "helix_v24.3.json",
    "code": SHIPPED / "visual_studio_code_v1.65.2.json",
    "least": None,
}
ENCODINGS = {"neovim": "utf-8", "emacs": "utf-32", "helix": "utf-8", "code": "utf-16", "least": "utf-16"}
COLUMNS = {"utf-8": (5, 20), "utf-16": (3, 18), "utf-32": (2, 17)}
URI, PROMPT = "file:///notes/a.md", "create function"
TITLES = ["Optimize prompt", *(f"Optimize prompt as {style}" for style in builtin_adapters()), "Optimize prompt: variants…"]
SETTINGS = ("client/registerCapability", "workspace/configuration")  # asked beside what the client asks
ASKED = {"code": SETTINGS, "least": (), "neovim": SETTINGS[1:], "emacs": SETTINGS[1:], "helix": SETTINGS[1:]}
PIECES = len([*mini_codec().plain(LEAD), 0, *mini_codec().plain(TAIL)])


def declared(client: str) -> dict[str, Any]:
    file = CLIENTS[client]
    capabilities: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["capabilities"] if file else {}
    return capabilities


def tidied(message: Message) -> Message:
    """A message without what is drawn by chance, the ids of the server's requests and the tokens of its progress, and what it denies."""
    kept = {name: value for name, value in message.items() if name != "jsonrpc"}
    if "method" in kept and "id" in kept:
        kept["id"] = "own"
    if "token" in kept.get("params", {}):
        kept["params"] = {**kept["params"], "token": "drawn"}
    if kept.get("id") == 1:  # the answer to initialize; pygls says of some clients what it does not do
        capabilities = kept["result"]["capabilities"]
        capabilities["textDocumentSync"] = {name: value for name, value in capabilities["textDocumentSync"].items() if value}
    return kept


class Conversation:
    """What the server has said, and what it is to say."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.messages = messages(process)
        self.said: list[Message] = []

    def ask(self, number: int, method: str, params: object) -> Message:
        """The answer to a request; it and all ahead of it are kept."""
        send(self.process, id=number, method=method, params=params)
        for message in self.messages:
            self.said.append(tidied(message))
            if message.get("id") == number and "method" not in message:
                return message
        raise AssertionError(f"no answer to {method}")


def initialize_answer(encoding: str) -> Message:
    commands = [f"promptopt.{name}" for name in ("optimize", "preview", "variants", "doctor")]
    capabilities = {
        "positionEncoding": encoding,
        "textDocumentSync": {"openClose": True, "change": 1},
        "codeActionProvider": {"codeActionKinds": ["refactor.rewrite"], "resolveProvider": True},
        "executeCommandProvider": {"commands": commands},
        "workspace": {"workspaceFolders": {"supported": True, "changeNotifications": True}, "fileOperations": {}},
    }
    return {"id": 1, "result": {"capabilities": capabilities, "serverInfo": {"name": "promptopt", "version": __version__}}}


def work(value: Message) -> Message:
    return {"method": "$/progress", "params": {"token": "drawn", "value": value}}


def counts(said: list[Message]) -> list[int]:
    """The numbers of pieces that were reported; how many reports there are is the clock's to say."""
    return [int(message["params"]["value"]["message"].removesuffix(" pieces")) for message in said if is_report(message)]


def is_report(message: Message) -> bool:
    return message.get("method") == "$/progress" and message["params"]["value"]["kind"] == "report"


BEGUN = [
    {"id": "own", "method": "window/workDoneProgress/create", "params": {"token": "drawn"}},
    work({"kind": "begin", "title": "Optimize prompt", "cancellable": True}),
]
ENDED = [work({"kind": "end"})]


def selection(encoding: str) -> Message:
    """Where the prompt stands."""
    first, last = COLUMNS[encoding]
    return {"start": {"line": 0, "character": first}, "end": {"line": 0, "character": last}}


def rewritten(client: str) -> tuple[list[Message], list[Message]]:
    """A session with one rewrite: all that the server said in it, and the actions that it offered."""
    with started([*FAKE, "--stdio"], PROMPTOPT_FAKE_DELAY="0.02") as process:
        talk = Conversation(process)
        talk.ask(1, "initialize", {"processId": None, "rootUri": None, "capabilities": declared(client)})
        send(process, method="initialized", params={})
        document = {"uri": URI, "languageId": "markdown", "version": 1, "text": f"😀 {PROMPT}\r\n"}
        send(process, method="textDocument/didOpen", params={"textDocument": document})
        context = {"diagnostics": [], "only": ["refactor.rewrite"]}
        asked = {"textDocument": {"uri": URI}, "range": selection(ENCODINGS[client]), "context": context}
        actions: list[Message] = talk.ask(2, "textDocument/codeAction", asked)["result"]
        if "command" in actions[0]:
            talk.ask(3, "workspace/executeCommand", {name: actions[0]["command"][name] for name in ("command", "arguments")})
        else:
            talk.ask(3, "codeAction/resolve", actions[0])
        talk.ask(4, "shutdown", None)
        send(process, method="exit")
        assert [tidied(message) for message in talk.messages] == []
        assert process.wait(30) == 0
    return talk.said, actions


@pytest.mark.parametrize("client", CLIENTS)
def test_everything_that_the_server_says_from_the_first_message_to_the_last(client: str) -> None:
    spoken, actions = rewritten(client)
    request = {"uri": URI, "version": 1, "start": 2, "text": PROMPT, "adapter": "", "movable": True}
    change = {"range": selection(ENCODINGS[client]), "newText": fake_rewrite(PROMPT).replace("\n", "\r\n")}
    versioned = {"documentChanges": [{"textDocument": {"uri": URI, "version": 1}, "edits": [change]}]}
    assert spoken[0] == initialize_answer(ENCODINGS[client])
    assert [action["title"] for action in actions] == TITLES
    said = [message for message in spoken[1:] if message.get("method") not in SETTINGS]
    assert tuple(message["method"] for message in spoken if message.get("method") in SETTINGS) == ASKED[client]
    assert said[0] == {"id": 2, "result": actions}
    reports = [number for number, message in enumerate(said) if is_report(message)]
    told = counts(said)
    assert told == sorted(set(told) & set(range(1, PIECES + 1)))
    assert reports == list(range(3, 3 + len(told)))  # behind the actions and BEGUN
    said = [message for message in said if not is_report(message)]
    shown = [*BEGUN, *ENDED] if "window" in declared(client) else []
    assert bool(told) == bool(shown)
    if client in ("neovim", "helix", "code"):
        edit = {"changes": {URI: [change]}} if client == "neovim" else versioned
        action = {"title": "Optimize prompt", "kind": "refactor.rewrite", "data": request}
        assert actions[0] == action
        assert said[1:] == [*shown, {"id": 3, "result": {**action, "edit": edit}}, {"id": 4, "result": None}]
    else:
        assert actions[0]["command"] == {"title": "Optimize prompt", "command": "promptopt.optimize", "arguments": [request]}
        handed: Message = {"id": "own", "method": "workspace/applyEdit", "params": {"edit": versioned, "label": "Optimize prompt"}}
        if client == "least":
            text = f"This editor takes no edits. The rewrite, for the place of the selection:\n\n{change['newText']}"
            handed = {"method": "window/showMessage", "params": {"type": 3, "message": text}}
        assert said[1:] == [*shown, handed, {"id": 3, "result": None}, {"id": 4, "result": None}]
