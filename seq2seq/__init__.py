"""Recurrent machine translation on PyTorch Lightning.

Importing this package costs nothing: each room is imported where it is used.
"""

__version__ = "0.1.0"
