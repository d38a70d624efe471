"""Context mixing: the decisions of a coded segment, and their probabilities (docs/spec/mixing.md)."""
