"""`netgen lsp`: what an editor asks of a spec while it is written, answered from its text."""
