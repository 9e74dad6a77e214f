"""The tasks as other evaluations than the official one do them, a folder each; docs/protocols.md is about them."""
