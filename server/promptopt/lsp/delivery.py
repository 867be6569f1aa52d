"""How a rewrite reaches the document, by what the client declares it can do."""

from dataclasses import dataclass
from typing import Any

from lsprotocol import types


@dataclass(frozen=True)
class Delivery:
    """What the client can take.

    resolves: it asks for the edit of a lazy action.  versioned: it takes edits bound to a document version.  progress: it shows progress.
    disabled: it shows an action that cannot be chosen, and why.  applies: it takes edits that are handed to it; else they are shown.
    """

    resolves: bool
    versioned: bool
    progress: bool
    disabled: bool = False
    applies: bool = True

    @classmethod
    def of(cls, capabilities: types.ClientCapabilities) -> "Delivery":
        """Read from the client's capabilities; whatever is not declared is taken as missing."""
        action = _path(capabilities, "text_document", "code_action")
        properties = _path(action, "resolve_support", "properties") or ()
        return cls(
            resolves="edit" in properties and bool(_path(action, "data_support")),
            versioned=bool(_path(capabilities, "workspace", "workspace_edit", "document_changes")),
            progress=bool(_path(capabilities, "window", "work_done_progress")),
            disabled=bool(_path(action, "disabled_support")),
            applies=bool(_path(capabilities, "workspace", "apply_edit")),
        )

    def edit(self, uri: str, version: int | None, range_: types.Range, text: str) -> types.WorkspaceEdit:
        """A workspace edit that replaces `range_` of one document by `text`, bound to `version` where the client takes that."""
        change = types.TextEdit(range_, text)
        if not self.versioned:
            return types.WorkspaceEdit(changes={uri: [change]})
        document = types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=version)
        return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(document, [change])])


def written(edit: types.WorkspaceEdit) -> str:
    """The text that an edit of `Delivery.edit` writes."""
    changes = [document.edits for document in edit.document_changes or () if isinstance(document, types.TextDocumentEdit)]
    ((change,),) = changes or (edit.changes or {}).values()
    assert isinstance(change, types.TextEdit)
    return change.new_text


def _path(value: Any, *names: str) -> Any:
    """The attribute at the end of a path, None as soon as one is missing."""
    for name in names:
        value = getattr(value, name, None)
    return value
