"""From the encoder's final state to the decoder's first one, of whatever shape.

Knows states; not sentences or cells' insides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.nn.rnn_stack import RNNStateShape
from seq2seq.types import RNNState


def context_vector(final: RNNState) -> Tensor:
    """Join the final hidden state of every layer into the context vector, (N, L * H).

    Source: Cho et al. 2014, section 2.2, whose encoder has one layer.
    """
    return final[0].flatten(1)


class CopyBridge(nn.Module):
    """Start the decoder from the encoder's final state as it is.

    Source: Sutskever et al. 2014, section 2.
    """

    def forward(self, final: RNNState) -> RNNState:
        """Return the state unchanged, each part (N, L, H)."""
        return final

    if TYPE_CHECKING:
        __call__ = forward


class LinearBridge(nn.Module):
    """Start the decoder from a learned function of the encoder's final state.

    Args:
        encoder: The shape that comes in.
        decoder: The shape that goes out; parts, depth and width may differ.

    Source: Cho et al. 2014, section 2.2 and appendix A.1 (tanh of a linear map).
    """

    def __init__(self, encoder: RNNStateShape, decoder: RNNStateShape) -> None:
        super().__init__()
        self.shape = decoder
        self.linear = nn.Linear(
            encoder.num_components * encoder.num_layers * encoder.size,
            decoder.num_components * decoder.num_layers * decoder.size,
        )

    def forward(self, final: RNNState) -> RNNState:
        """Turn parts of (N, L, H) into the decoder's, each (N, L', H')."""
        joined = torch.cat([part.flatten(1) for part in final], dim=1)
        mapped = torch.tanh(self.linear(joined))
        parts = mapped.unflatten(
            1, (self.shape.num_components, self.shape.num_layers, -1)
        )
        return tuple(parts.unbind(1))

    if TYPE_CHECKING:
        __call__ = forward
