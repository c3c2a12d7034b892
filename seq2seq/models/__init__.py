"""The encoder-decoder model: start reading at encoder_decoder.py."""
