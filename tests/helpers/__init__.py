"""What tests share: tiny models, corpora, runs and step functions."""
