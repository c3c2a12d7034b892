"""Initial decoder state from the final encoder state, and the fixed context vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.nn.rnn_stack import RNNStateShape
from seq2seq.types import RNNState


def context_vector(final_state: RNNState) -> Tensor:
    """Concatenate the final hidden states of all layers, (N, C) with C = L * H.

    Source: Cho et al. 2014, section 2.2, whose encoder has one layer.
    """
    return final_state[0].flatten(1)


class CopyBridge(nn.Module):
    """Use the encoder's final state as the decoder's initial state.

    Source: Sutskever et al. 2014, section 2.
    """

    def forward(self, final_state: RNNState) -> RNNState:
        """Return the state unchanged, each component (N, L, H)."""
        return final_state

    if TYPE_CHECKING:
        __call__ = forward


class LinearBridge(nn.Module):
    """Map the encoder's final state to the decoder's initial state: tanh(W h + b).

    Args:
        encoder: Shape of the encoder's state.
        decoder: Shape of the decoder's state; components, layers and size may differ.

    Source: Cho et al. 2014, section 2.2 and appendix A.1.
    """

    def __init__(self, encoder: RNNStateShape, decoder: RNNStateShape) -> None:
        super().__init__()
        self.shape = decoder
        self.linear = nn.Linear(
            encoder.num_components * encoder.num_layers * encoder.size,
            decoder.num_components * decoder.num_layers * decoder.size,
        )

    def forward(self, final_state: RNNState) -> RNNState:
        """Map components of (N, L, H) to the decoder's, each (N, L', H')."""
        joined = torch.cat([part.flatten(1) for part in final_state], dim=1)
        initial = torch.tanh(self.linear(joined))  # (N, components * L' * H')
        initial = initial.unflatten(
            1, (self.shape.num_components, self.shape.num_layers, -1)
        )
        return tuple(initial.unbind(1))

    if TYPE_CHECKING:
        __call__ = forward
