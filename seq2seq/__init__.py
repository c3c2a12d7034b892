"""Recurrent sequence-to-sequence translation on PyTorch Lightning.

Importing this package is cheap: submodules are imported where they are used.
"""

__version__ = "0.1.0"
