"""The maths. Knows tensors; not Lightning, files or strings."""
