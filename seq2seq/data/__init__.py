"""From sentence pairs to batches of tensors. Knows nothing of models or search."""
