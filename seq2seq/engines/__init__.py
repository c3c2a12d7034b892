"""Decoding engines: torch, ensembles, vocabulary shortlists and ONNX Runtime."""
