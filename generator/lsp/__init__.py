"""`netgen lsp`: answers an editor's requests about a spec, from its text."""
