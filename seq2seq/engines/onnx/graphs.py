"""A network as ONNX graphs: one reads sources, one takes a step, one scores pieces.

Knows the network's parts and `onnx_nodes`; not runs or files. What the networks' own
modules compute is written a second time here, so an export is compared with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx

from seq2seq.engines.onnx.nodes import (
    GraphBuilder,
    fused_layers,
    sequence_layer,
    step_layer,
)
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.attention import Attention
from seq2seq.nn.bridge import LinearBridge


def encoder_graph(network: EncoderDecoder) -> onnx.ModelProto:
    """Write what happens once to a source.

    Inputs: source (N, S), lengths (N,). Outputs: the decoder's first state, state_0,
    state_1, ... (N, H), part by part and in each layer by layer, fed (N, E) with input
    feeding; and the memory: context (N, C), or keys (N, heads, Q, S) (additive: S, Q),
    values (N, heads, S, H) and bias (N, 1, 1, S), which is -inf at padding.

    Raises:
        InputError: If the cells have no ONNX form.
    """
    encoder, graph = network.encoder, GraphBuilder()
    source = graph.input("source", np.int64, ["N", "S"])
    given = graph.input("lengths", np.int64, ["N"])
    lengths = graph.add("Cast", [given], {"to": onnx.TensorProto.INT32})
    flipping = {"batch_axis": 0, "time_axis": 1}
    read = source
    if encoder.reverse:
        read = graph.add("ReverseSequence", [read, given], flipping)
    table = graph.constant(encoder.embedding.weight * encoder.scale)
    below = graph.transposed(graph.add("Gather", [table, read]), (1, 0, 2))
    finals: list[list[str]] = []
    for number, layer in enumerate(fused_layers(encoder.recurrent)):
        states, final = sequence_layer(graph, layer, below, lengths)
        residual = encoder.recurrent.residual and number
        below = graph.add("Add", [states, below]) if residual else states
        finals.append(final)
    parts = list(zip(*finals, strict=True))  # Part by part, in each layer by layer.
    outputs = _bridged(graph, network, parts)
    if network.decoder.input_feeding:
        size = network.decoder.embedding.embedding_dim
        zeros = graph.constant(np.zeros((1, size)))
        rows = graph.add("Shape", [given])
        shape = graph.add("Concat", [rows, graph.constant([size])], {"axis": 0})
        outputs["fed"] = graph.add("Expand", [zeros, shape])
    attention = network.decoder.attention
    if attention is not None:
        states = graph.transposed(below, (1, 0, 2))
        if encoder.reverse:
            states = graph.add("ReverseSequence", [states, given], flipping)
        outputs |= _memory(graph, attention, states, source, given)
    elif network.decoder.context_size:
        outputs["context"] = graph.joined(parts[0])
    return graph.model(outputs)


def _bridged(
    graph: GraphBuilder, network: EncoderDecoder, parts: Sequence[Sequence[str]]
) -> dict[str, str]:
    """From the encoder's final state to the decoder's first one."""
    flat = [value for part in parts for value in part]
    bridge = network.bridge
    if isinstance(bridge, LinearBridge):
        mapped = graph.add("Tanh", [graph.linear(graph.joined(flat), bridge.linear)])
        count = bridge.shape.num_components * bridge.shape.num_layers
        sizes = graph.constant([bridge.shape.size] * count)
        flat = graph.several("Split", [mapped, sizes], count, {"axis": -1})
    return {f"state_{number}": value for number, value in enumerate(flat)}


def _memory(
    graph: GraphBuilder, attention: Attention, states: str, source: str, lengths: str
) -> dict[str, str]:
    """Lay out what attention reads for the product at every step."""
    keys = states
    if attention.project is not None:
        keys = graph.linear(states, attention.project)
    heads = [0, 0, attention.num_heads, -1]
    additive = attention.query is not None
    order = (0, 2, 1, 3) if additive else (0, 2, 3, 1)
    width = graph.add("Gather", [graph.add("Shape", [source]), graph.constant([1])])
    zero, one = (graph.constant(np.int64(number)) for number in (0, 1))
    width = graph.add("Squeeze", [width])
    positions = graph.add("Range", [zero, width, one])  # (S,)
    ends = graph.add("Unsqueeze", [lengths, graph.constant([1])])
    real = graph.add("Less", [positions, ends])  # (N, S)
    nothing, hidden = (graph.constant(np.float32(x)) for x in (0.0, -math.inf))
    bias = graph.add("Where", [real, nothing, hidden])
    return {
        "keys": graph.transposed(graph.reshaped(keys, heads), order),
        "values": graph.transposed(graph.reshaped(states, heads), (0, 2, 1, 3)),
        "bias": graph.add("Unsqueeze", [bias, graph.constant([1, 2])]),
    }


def decoder_step_graph(network: EncoderDecoder) -> onnx.ModelProto:
    """Write one step of a search, up to what pieces are scored by.

    Inputs: last (R,), the state with R rows and the memory with N, as `encoder_graph`
    gives them; R / N rows, one after another, share a row of the memory. Outputs:
    features (R, E), the state after it under the same names with next_ before them,
    and weights (R, S) with attention.

    Raises:
        InputError: If the cells have no ONNX form.
    """
    decoder, graph = network.decoder, GraphBuilder()
    shape, size = decoder.shape, decoder.embedding.embedding_dim
    last = graph.input("last", np.int64, ["R"])
    state = [
        graph.input(f"state_{number}", np.float32, ["R", shape.size])
        for number in range(shape.num_components * shape.num_layers)
    ]
    table = graph.constant(decoder.embedding.weight * decoder.scale)
    read = [graph.add("Gather", [table, last])]
    if decoder.input_feeding:
        read.append(graph.input("fed", np.float32, ["R", size]))
    told: list[str] = []
    if decoder.context_size:
        context = graph.input("context", np.float32, ["N", decoder.context_size])
        told = [_shared(graph, context, last)]
    hidden = graph.joined([*read, *told])
    after: dict[str, str] = {}
    for number, layer in enumerate(fused_layers(decoder.lower)):
        own = state[number :: shape.num_layers]
        parts = step_layer(graph, layer, hidden, own)
        residual = decoder.lower.residual and number
        hidden = graph.add("Add", [parts[0], hidden]) if residual else parts[0]
        for part, value in enumerate(parts):
            after[f"state_{part * shape.num_layers + number}"] = value
    if decoder.attention is not None:
        looked, weights = _looked(graph, decoder.attention, hidden)
        told = [looked]
    if decoder.upper is not None:
        for above, layer in enumerate(fused_layers(decoder.upper)):
            number = decoder.lower.shape.num_layers + above
            own = state[number :: shape.num_layers]
            parts = step_layer(graph, layer, graph.joined([hidden, *told]), own)
            residual = decoder.upper.residual and above
            hidden = graph.add("Add", [parts[0], hidden]) if residual else parts[0]
            for part, value in enumerate(parts):
                after[f"state_{part * shape.num_layers + number}"] = value
    joined = graph.joined([hidden, *told])
    features = graph.add("Tanh", [graph.linear(joined, decoder.readout)])
    outputs = {"features": features}
    outputs |= {f"next_state_{n}": after[f"state_{n}"] for n in range(len(state))}
    if decoder.input_feeding:
        outputs["next_fed"] = features
    if decoder.attention is not None:
        outputs["weights"] = weights
    return graph.model(outputs)


def output_graph(network: EncoderDecoder) -> onnx.ModelProto:
    """Write the scores of all pieces: from features (R, E) to logits (R, V)."""
    decoder, graph = network.decoder, GraphBuilder()
    size = decoder.output.in_features
    features = graph.input("features", np.float32, ["R", size])
    return graph.model({"logits": graph.linear(features, decoder.output)})


def _shared(graph: GraphBuilder, context: str, last: str) -> str:
    """Repeat a sentence's row for each of its rows of the step, (R, C)."""
    whole = graph.add("Shape", [context])
    sentences = graph.add("Gather", [whole, graph.constant([0])])
    size = graph.add("Gather", [whole, graph.constant([1])])
    each = graph.add("Div", [graph.add("Shape", [last]), sentences])
    shape = graph.add("Concat", [sentences, each, size], {"axis": 0})
    wide = graph.add("Unsqueeze", [context, graph.constant([1])])
    flat = graph.add("Concat", [graph.constant([-1]), size], {"axis": 0})
    return graph.add("Reshape", [graph.add("Expand", [wide, shape]), flat])


def _looked(graph: GraphBuilder, attention: Attention, hidden: str) -> tuple[str, str]:
    """Read the source by the decoder's state, as `Attention.forward` does.

    Returns:
        What was read, (R, H), and the weights, (R, S).
    """
    heads = attention.num_heads
    keys = graph.input("keys", np.float32, ["N", heads, "A", "B"])
    values = graph.input("values", np.float32, ["N", heads, "S", "H"])
    bias = graph.input("bias", np.float32, ["N", 1, 1, "S"])
    sentences = graph.add("Gather", [graph.add("Shape", [bias]), graph.constant([0])])
    # (R, Q) to (N, heads, rows of a sentence, Q / heads)
    required_tokens = hidden
    if attention.query is not None:
        required_tokens = graph.linear(hidden, attention.query)
    else:
        required_tokens = graph.scaled(required_tokens, attention.scale)
    size = (
        attention.energy.shape[1]
        if attention.query is not None
        else round(attention.scale**-2)
    )
    form = [sentences, graph.constant([-1, heads, size])]
    split = graph.add("Concat", form, {"axis": 0})
    required_tokens = graph.transposed(
        graph.add("Reshape", [required_tokens, split]), (0, 2, 1, 3)
    )
    if attention.query is not None:
        wide = graph.add("Unsqueeze", [required_tokens, graph.constant([3])])
        keys = graph.add("Unsqueeze", [keys, graph.constant([2])])
        compared = graph.add("Tanh", [graph.add("Add", [wide, keys])])
        energy = graph.constant(attention.energy.detach().numpy()[:, None])
        scores = graph.add("MatMul", [compared, energy])
        scores = graph.add("Squeeze", [scores, graph.constant([4])])
    else:
        scores = graph.add("MatMul", [required_tokens, keys])
    weights = graph.add("Softmax", [graph.add("Add", [scores, bias])], {"axis": -1})
    read = graph.transposed(graph.add("MatMul", [weights, values]), (0, 2, 1, 3))
    mean = graph.add("ReduceMean", [weights], {"axes": [1], "keepdims": 0})
    return _flat(graph, graph.reshaped(read, (0, 0, -1))), _flat(graph, mean)


def _flat(graph: GraphBuilder, value: str) -> str:
    """Join sentences and their rows: (N, rows of a sentence, X) to (R, X)."""
    width = graph.add("Gather", [graph.add("Shape", [value]), graph.constant([2])])
    shape = graph.add("Concat", [graph.constant([-1]), width], {"axis": 0})
    return graph.add("Reshape", [value, shape])
