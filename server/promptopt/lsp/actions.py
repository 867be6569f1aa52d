"""Which code actions a selection gets. Pure: parameters and text in, actions out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lsprotocol import types

from promptopt.lsp.delivery import Delivery
from promptopt.lsp.positions import offset_at
from promptopt.lsp.selection import Selection, select

TITLE = "Optimize prompt"
KIND = types.CodeActionKind.RefactorRewrite
OPTIMIZE = "promptopt.optimize"


@dataclass(frozen=True)
class Request:
    """A rewrite that somebody asked for: the document and its version then, and the prompt at its offset."""

    uri: str
    version: int | None
    start: int
    text: str

    @property
    def selection(self) -> Selection:
        """The prompt and its place."""
        return Selection(self.start, self.text)

    @classmethod
    def from_json(cls, data: Any) -> "Request":
        """A request as it comes back from a client. Raises ValueError when it is not one of ours."""
        if (
            not isinstance(data, Mapping)
            or not isinstance(data.get("version"), int | None)
            or not isinstance(data.get("uri"), str)
            or type(data.get("start")) is not int
            or not isinstance(data.get("text"), str)
            or not data["text"].strip()
            or data["start"] < 0
        ):
            raise ValueError("not a request for a rewrite")
        return cls(data["uri"], data.get("version"), data["start"], data["text"])


def code_actions(
    params: types.CodeActionParams, document: str, version: int | None, encoding: str, delivery: Delivery
) -> list[types.CodeAction]:
    """The action "Optimize prompt" for a selection with text in it, as the client takes it; nothing for any other."""
    if not wanted(params.context):
        return []
    start, end = (offset_at(document, position, encoding) for position in (params.range.start, params.range.end))
    selection = select(document, start, end)
    if selection is None:
        return []
    data = asdict(Request(params.text_document.uri, version, selection.start, selection.text))
    if delivery.resolves:
        return [types.CodeAction(title=TITLE, kind=KIND, data=data)]
    return [types.CodeAction(title=TITLE, kind=KIND, command=types.Command(title=TITLE, command=OPTIMIZE, arguments=[data]))]


def wanted(context: types.CodeActionContext) -> bool:
    """Whether the client asks for actions of our kind, or of any."""
    return context.only is None or any(kind == KIND or KIND.value.startswith(f"{_name(kind)}.") or not _name(kind) for kind in context.only)


def _name(kind: types.CodeActionKind | str) -> str:
    return kind.value if isinstance(kind, types.CodeActionKind) else kind
