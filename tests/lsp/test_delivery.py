"""How a rewrite reaches the clients there are: read from the capability files that pytest-lsp ships."""

import pytest
from conversation import capabilities_of
from lsprotocol import types

from promptopt.lsp.delivery import Delivery, written

URI = "file:///notes/a%20b.md"
RANGE = types.Range(types.Position(1, 2), types.Position(3, 4))
CHANGE = types.TextEdit(RANGE, "Act as …\n")


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("neovim@v0.11.0", Delivery(resolves=True, versioned=False, progress=True)),
        ("neovim@v0.6.1", Delivery(resolves=True, versioned=False, progress=True)),
        ("helix", Delivery(resolves=True, versioned=True, progress=True, disabled=True)),
        ("emacs@v29.1", Delivery(resolves=False, versioned=True, progress=True)),
        ("visual-studio-code@v1.65.2", Delivery(resolves=True, versioned=True, progress=True, disabled=True)),
    ],
)
def test_the_capabilities_of_a_real_client_are_read_right(client: str, expected: Delivery) -> None:
    assert Delivery.of(capabilities_of(client)) == expected


def test_a_client_that_declares_nothing_gets_the_least() -> None:
    assert Delivery.of(types.ClientCapabilities()) == Delivery(resolves=False, versioned=False, progress=False, applies=False)


@pytest.mark.parametrize(
    ("properties", "data", "resolves"),
    [
        (["edit"], True, True),
        (["command", "edit"], True, True),
        (["command"], True, False),
        ([], True, False),
        (["edit"], False, False),
        (["edit"], None, False),
    ],
)
def test_an_action_is_lazy_only_where_edit_and_data_are_declared(properties: list[str], data: bool | None, resolves: bool) -> None:
    action = types.CodeActionClientCapabilities(
        resolve_support=types.ClientCodeActionResolveOptions(properties=properties), data_support=data
    )
    capabilities = types.ClientCapabilities(text_document=types.TextDocumentClientCapabilities(code_action=action))
    assert Delivery.of(capabilities) == Delivery(resolves=resolves, versioned=False, progress=False, applies=False)


@pytest.mark.parametrize(("declared", "versioned"), [(True, True), (False, False), (None, False)])
def test_edits_are_versioned_only_where_document_changes_are_declared(declared: bool | None, versioned: bool) -> None:
    edit = types.WorkspaceEditClientCapabilities(document_changes=declared)
    capabilities = types.ClientCapabilities(workspace=types.WorkspaceClientCapabilities(workspace_edit=edit))
    assert Delivery.of(capabilities) == Delivery(resolves=False, versioned=versioned, progress=False, applies=False)


@pytest.mark.parametrize(("declared", "progress"), [(True, True), (False, False), (None, False)])
def test_progress_is_shown_only_where_it_is_declared(declared: bool | None, progress: bool) -> None:
    capabilities = types.ClientCapabilities(window=types.WindowClientCapabilities(work_done_progress=declared))
    assert Delivery.of(capabilities) == Delivery(resolves=False, versioned=False, progress=progress, applies=False)


@pytest.mark.parametrize(("declared", "applies"), [(True, True), (False, False), (None, False)])
def test_edits_are_handed_over_only_where_that_is_declared(declared: bool | None, applies: bool) -> None:
    capabilities = types.ClientCapabilities(workspace=types.WorkspaceClientCapabilities(apply_edit=declared))
    assert Delivery.of(capabilities) == Delivery(resolves=False, versioned=False, progress=False, applies=applies)


@pytest.mark.parametrize("version", [0, 7, None])
def test_a_versioned_edit_is_bound_to_the_document_version(version: int | None) -> None:
    document = types.OptionalVersionedTextDocumentIdentifier(uri=URI, version=version)
    delivery = Delivery(resolves=True, versioned=True, progress=False)
    edit = delivery.edit(URI, version, RANGE, CHANGE.new_text)
    assert edit == types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(document, [CHANGE])])
    assert written(edit) == CHANGE.new_text


def test_any_other_edit_names_the_document_alone() -> None:
    delivery = Delivery(resolves=True, versioned=False, progress=False)
    edit = delivery.edit(URI, 7, RANGE, CHANGE.new_text)
    assert edit == types.WorkspaceEdit(changes={URI: [CHANGE]})
    assert written(edit) == CHANGE.new_text
