"""Noise that depends on names alone: the same draw for the same sentence, anywhere.

Knows integers; not pieces, sentences or the order in which anybody asks. A generator
hands out its numbers in the order of the calls, so a batch of another size would draw
other ones. Here every number is a hash of what it is for (Salmon et al. 2011, "Parallel
random numbers: as easy as 1, 2, 3").
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def sentence_seed(pieces: Sequence[int]) -> int:
    """Name a sentence by what it says: a number below 2 ** 32.

    With keys of this kind a translation is a function of the sentence and the seed,
    wherever in a file the sentence stands.
    """
    return zlib.crc32(array("q", pieces).tobytes())


def sample_seeds(keys: Sequence[int], samples: int, seed: int) -> Tensor:
    """Name every sample of every sentence, (N * samples,), int64 below 2 ** 32.

    Args:
        keys: A number for each sentence, such as `sentence_seed` gives.
        samples: How many are drawn of each.
        seed: Another seed gives unrelated names.
    """
    first = torch.tensor([key & _MASK for key in keys], dtype=torch.int64)
    seeded = _mixed(first ^ _mixed(torch.tensor(seed & _MASK)))
    return _mixed(seeded[:, None] ^ _mixed(torch.arange(1, samples + 1))).flatten()


def exponential_noise(keys: Tensor, step: int, count: int) -> Tensor:
    """Draw from the exponential distribution of mean 1, (R, count), single precision.

    Args:
        keys: The name of each row, (R,), from `sample_seeds`.
        step: Which draw of the row this is.
        count: Numbers for each row.
    """
    device = keys.device
    rows = _mixed(keys ^ _mixed(torch.tensor(step + 1, device=device)))
    columns = _mixed(torch.arange(1, count + 1, device=device))
    bits = _signed(rows)[:, None] ^ _signed(columns)
    # Eleven passes over all pieces: in place, and in 32 bits.
    _mix_(bits)
    # 31 bits; the least numbers decide who wins, and near 0 a float tells them apart.
    uniform = bits.bitwise_and_(0x7FFFFFFF).float().add_(0.5).mul_(2.0**-31)
    # Rounded to 1, a number would become infinite.
    return uniform.clamp_(max=1 - 2.0**-24).neg_().log1p_().neg_()


def _mixed(numbers: Tensor) -> Tensor:
    """Hash numbers below 2 ** 32 to others, one to one, int64."""
    bits = _signed(numbers.long().clone().reshape(-1))
    return (_mix_(bits).long() & _MASK).reshape(numbers.shape)


def _signed(numbers: Tensor) -> Tensor:
    """Read numbers below 2 ** 32 as 32 bits with a sign."""
    return torch.where(numbers < 2**31, numbers, numbers - 2**32).int()


def _mix_(bits: Tensor) -> Tensor:
    """Hash 32-bit numbers in place, one to one: every bit depends on all others.

    Source: Wellons 2018, "Prospecting for hash functions", lowbias32.
    """
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B - 2**32), (16, 1)):
        # The shift copies the sign; the mask takes the copies away.
        bits.bitwise_xor_((bits >> shift).bitwise_and_(2 ** (32 - shift) - 1))
        bits.mul_(factor)
    return bits
