"""Lightning modules that put the halves together: start at encoder_decoder.py."""
