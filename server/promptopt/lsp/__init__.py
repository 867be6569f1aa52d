"""The language server: "Optimize prompt" on a selection, in any editor that speaks the Language Server Protocol."""
