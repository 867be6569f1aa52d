"""Which code actions a selection gets. Pure: parameters and text in, actions out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lsprotocol import types

from promptopt.errors import InvalidInput
from promptopt.frames import frame_of
from promptopt.lsp.delivery import Delivery
from promptopt.lsp.positions import offset_at
from promptopt.lsp.selection import Selection, Source, movable, select, select_around

TITLE = "Optimize prompt"
KIND = types.CodeActionKind.RefactorRewrite
OPTIMIZE = "promptopt.optimize"
VARIANTS = "promptopt.variants"


@dataclass(frozen=True)
class Request:
    """A rewrite that somebody asked for: the document and its version then, and the selected text at its offset.

    adapter: which one writes; empty for that of the settings.
    movable: whether the text could be told from any other in the document, should it have moved meanwhile.
    """

    uri: str
    version: int | None
    start: int
    text: str
    adapter: str = ""
    movable: bool = False

    @property
    def selection(self) -> Selection:
        """The selected text and its place."""
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
            or not isinstance(data.get("adapter", ""), str)
            or not isinstance(data.get("movable", False), bool)
            or not data["text"].strip()
            or data["start"] < 0
        ):
            raise ValueError("not a request for a rewrite")
        return cls(data["uri"], data.get("version"), data["start"], data["text"], data.get("adapter", ""), data.get("movable", False))


def code_actions(
    params: types.CodeActionParams,
    source: Source,
    version: int | None,
    encoding: str,
    delivery: Delivery,
    styles: Sequence[str] = (),
) -> list[types.CodeAction]:
    """The actions for a selection with text in it, as the client takes them; nothing for any other.

    "Optimize prompt", one more for each of `styles` when there are several, and one to choose among variants.
    """
    if not wanted(params.context):
        return []
    selection = select(source, *(offset_at(source.text, position, encoding) for position in (params.range.start, params.range.end)))
    if selection is None:
        return []
    request = request_for(selection, source, params.text_document.uri, version)
    reason = refusal(source, selection)
    if reason and delivery.disabled:
        return [types.CodeAction(title=TITLE, kind=KIND, disabled=types.CodeActionDisabled(reason))]
    named = [(f"{TITLE} as {style}", replace(request, adapter=style)) for style in styles if len(styles) > 1]
    actions = [action(title, asked, delivery) for title, asked in [(TITLE, request), *named]]
    return [*actions, command(f"{TITLE}: variants…", VARIANTS, request)]


def action(title: str, request: Request, delivery: Delivery) -> types.CodeAction:
    """An action for a rewrite: lazy where the client resolves it, else with a command."""
    if delivery.resolves:
        return types.CodeAction(title=title, kind=KIND, data=asdict(request))
    return command(title, OPTIMIZE, request)


def command(title: str, name: str, request: Request) -> types.CodeAction:
    """An action that runs a command of ours."""
    return types.CodeAction(title=title, kind=KIND, command=types.Command(title=title, command=name, arguments=[asdict(request)]))


def refusal(source: Source, selection: Selection) -> str:
    """Why the selection cannot be rewritten; empty when it can."""
    try:
        frame_of(source.text, source.language, source.name, selection.start, selection.end)
    except InvalidInput as error:
        return str(error)
    return ""


def request_at(source: Source, uri: str, version: int | None, range_: types.Range, encoding: str) -> Request | None:
    """A request for a range that a client's command gives; where nothing is selected, for what stands around. None for white space."""
    start, end = (offset_at(source.text, position, encoding) for position in (range_.start, range_.end))
    selection = select_around(source, start) if start == end else select(source, start, end)
    return request_for(selection, source, uri, version) if selection else None


def request_for(selection: Selection, source: Source, uri: str, version: int | None) -> Request:
    """A request for a rewrite of `selection`."""
    return Request(uri, version, selection.start, selection.text, movable=movable(source.text, selection))


def wanted(context: types.CodeActionContext) -> bool:
    """Whether the client asks for actions of our kind, or of any."""
    return context.only is None or any(kind == KIND or KIND.value.startswith(f"{_name(kind)}.") or not _name(kind) for kind in context.only)


def _name(kind: types.CodeActionKind | str) -> str:
    return kind.value if isinstance(kind, types.CodeActionKind) else kind
