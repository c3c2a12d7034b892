"""Characters and ids: reading, cleaning and cutting text. Knows nothing of torch."""
