"""Data: corpora, filtering, tokenization, preprocessing and batching."""
