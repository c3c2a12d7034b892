"""The network as three ONNX graphs: encoder, one decoder step, output layer.

They re-implement what the network's modules compute, so `export.compare` verifies them
against torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
import torch

from seq2seq.engines.onnx.layers import (
    fused_layers,
    gate_weights,
    sequence_layer,
    step_layer,
)
from seq2seq.engines.onnx.nodes import GraphBuilder
from seq2seq.engines.prepacked_decoder import MAX_TABLE_SIZE
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.attention import Attention
from seq2seq.nn.bridge import LinearBridge
from seq2seq.nn.rnn_stack import RNNStack


def encoder_graph(network: EncoderDecoder, *, int8: bool) -> onnx.ModelProto:
    """Build the graph that encodes source sentences and initialises the decoder.

    Inputs: source (N, S), lengths (N,). Outputs: the decoder's initial state, state_0,
    state_1, ... (N, H), component by component and in each layer by layer, input_feed
    (N, E) with input feeding; and the memory: context (N, C), or keys (N, heads, Q, S)
    (additive: S, Q), values (N, heads, S, H) and attention_bias (N, 1, 1, S), which is
    -inf at padding.

    Raises:
        UserError: If the cells have no ONNX form.
    """
    encoder, graph = network.encoder, GraphBuilder(int8=int8)
    source = graph.input("source", np.int64, ["N", "S"])
    lengths = graph.input("lengths", np.int64, ["N"])
    reverse_axes = {"batch_axis": 0, "time_axis": 1}
    tokens = source
    if encoder.reverse:
        tokens = graph.add("ReverseSequence", [tokens, lengths], reverse_axes)
    embedding = encoder.embedding
    assert isinstance(embedding, torch.nn.Embedding)
    table = graph.constant(embedding.weight * encoder.scale)
    embedded = graph.add("Gather", [table, tokens])  # (N, S, E)
    hidden = graph.transpose(embedded, (1, 0, 2))  # (S, N, E)
    mask = _mask(graph, source, lengths)  # (N, S)
    mask_by_position = graph.transpose(mask, (1, 0))
    mask_by_position = graph.add("Unsqueeze", [mask_by_position, graph.constant([2])])
    layers = fused_layers(encoder.rnn)
    zeros = _zeros(graph, lengths, layers[0].rnn.hidden_size)
    final_states: list[list[str]] = []
    for number, layer in enumerate(layers):
        bounded = number > 0 and _is_bounded(network)
        states, final_state = sequence_layer(
            graph, layer, hidden, mask_by_position, zeros, bounded=bounded
        )
        residual = encoder.rnn.residual and number
        hidden = graph.add("Add", [states, hidden]) if residual else states
        final_states.append(final_state)
    # Component by component, in each layer by layer.
    components = list(zip(*final_states, strict=True))
    outputs = _initial_state(graph, network, components)
    if network.decoder.input_feeding:
        size = network.decoder.embedding.embedding_dim
        outputs["input_feed"] = _zeros(graph, lengths, size)
    attention = network.decoder.attention
    if attention is not None:
        states = graph.transpose(hidden, (1, 0, 2))  # (N, S, H)
        if encoder.reverse:
            states = graph.add("ReverseSequence", [states, lengths], reverse_axes)
        outputs |= _attention_memory(
            graph, attention, states, mask, bounded=_is_bounded(network)
        )
    elif network.decoder.context_size:
        outputs["context"] = graph.concat(components[0])
    return graph.model(outputs)


def _is_bounded(network: EncoderDecoder) -> bool:
    """Return whether all states, contexts and features are in [-1, 1]."""
    decoder = network.decoder
    stacks = [network.encoder.rnn, decoder.bottom_rnn, decoder.top_rnn]
    return not any(stack is not None and stack.residual for stack in stacks)


def _initial_state(
    graph: GraphBuilder, network: EncoderDecoder, components: Sequence[Sequence[str]]
) -> dict[str, str]:
    """Map the encoder's final state to the decoder's initial state by the bridge."""
    states = [value for component in components for value in component]
    bridge = network.bridge
    if isinstance(bridge, LinearBridge):
        mapped = graph.add(
            "Tanh", [graph.linear(graph.concat(states), bridge.linear, bounded=False)]
        )
        count = bridge.shape.num_components * bridge.shape.num_layers
        sizes = graph.constant([bridge.shape.size] * count)
        states = graph.add_multi("Split", [mapped, sizes], count, {"axis": -1})
    return {f"state_{number}": value for number, value in enumerate(states)}


def _mask(graph: GraphBuilder, source: str, lengths: str) -> str:
    """Return what is True at tokens, (N, S)."""
    width = graph.add("Gather", [graph.add("Shape", [source]), graph.constant([1])])
    zero, one = (graph.constant(np.int64(number)) for number in (0, 1))
    positions = graph.add("Range", [zero, graph.add("Squeeze", [width]), one])  # (S,)
    ends = graph.add("Unsqueeze", [lengths, graph.constant([1])])
    return graph.add("Less", [positions, ends])


def _zeros(graph: GraphBuilder, lengths: str, size: int) -> str:
    """Return a row of zeros for each sentence, (N, size)."""
    num_rows = graph.add("Shape", [lengths])
    shape = graph.add("Concat", [num_rows, graph.constant([size])], {"axis": 0})
    return graph.add("Expand", [graph.constant(np.zeros((1, size))), shape])


def _attention_memory(
    graph: GraphBuilder, attention: Attention, states: str, mask: str, *, bounded: bool
) -> dict[str, str]:
    """Compute keys, values and mask in the layout of the products at every step."""
    keys = states
    if attention.key_projection is not None:
        keys = graph.linear(states, attention.key_projection, bounded=bounded)
    heads = [0, 0, attention.num_heads, -1]
    is_additive = attention.query_projection is not None
    order = (0, 2, 1, 3) if is_additive else (0, 2, 3, 1)
    at_tokens, at_padding = (graph.constant(np.float32(x)) for x in (0.0, -math.inf))
    bias = graph.add("Where", [mask, at_tokens, at_padding])
    return {
        "keys": graph.transpose(graph.reshape(keys, heads), order),
        "values": graph.transpose(graph.reshape(states, heads), (0, 2, 1, 3)),
        "attention_bias": graph.add("Unsqueeze", [bias, graph.constant([1, 2])]),
    }


def decoder_step_graph(network: EncoderDecoder, *, int8: bool) -> onnx.ModelProto:
    """Build the graph of one decoder step, up to the input of the output layer.

    Inputs: last_tokens (R,), the state with R rows and the memory with N, as
    `encoder_graph` outputs them; R / N consecutive rows share a row of the memory.
    Outputs: features (R, E), the next state under the same names with the prefix next_,
    and attention (R, S) with attention.

    Raises:
        UserError: If the cells have no ONNX form.
    """
    decoder, graph = network.decoder, GraphBuilder(int8=int8)
    shape, size = decoder.shape, decoder.embedding.embedding_dim
    last_tokens = graph.input("last_tokens", np.int64, ["R"])
    state = [
        graph.input(f"state_{number}", np.float32, ["R", shape.size])
        for number in range(shape.num_components * shape.num_layers)
    ]
    inputs: list[str] = []
    if decoder.input_feeding:
        inputs.append(graph.input("input_feed", np.float32, ["R", size]))
    contexts: list[str] = []
    if decoder.context_size:
        context = graph.input("context", np.float32, ["N", decoder.context_size])
        contexts = [_repeat_rows(graph, context, last_tokens)]
    table = decoder.embedding.weight.detach() * decoder.scale
    first_weights = gate_weights(fused_layers(decoder.bottom_rnn)[0])
    sums: list[str] = []
    if len(table) * len(first_weights.hidden) * shape.size <= MAX_TABLE_SIZE:
        for weight, bias in zip(
            first_weights.inputs, first_weights.input_biases, strict=True
        ):
            products = torch.addmm(bias, table, weight[:, :size].t())
            sums.append(graph.rows(products, last_tokens))
        first_weights = first_weights.without_inputs(size)
    else:
        inputs.insert(0, graph.add("Gather", [graph.constant(table), last_tokens]))
    next_state: dict[int, str] = {}

    bounded = _is_bounded(network)

    def step_stack(
        stack: RNNStack, inputs: Sequence[str], first: int, contexts: Sequence[str]
    ) -> str:
        """Step a stack whose first layer has this number; return its output."""
        hidden = ""
        for number, layer in enumerate(fused_layers(stack)):
            is_first = first + number == 0
            components = step_layer(
                graph,
                first_weights if is_first else gate_weights(layer),
                [*inputs, *contexts],
                state[first + number :: shape.num_layers],
                bounded=bounded and not (is_first and not sums),
                sums=sums if is_first else (),
            )
            residual = stack.residual and number
            output = components[0]
            hidden = graph.add("Add", [output, hidden]) if residual else output
            inputs = [hidden]
            for component, value in enumerate(components):
                next_state[component * shape.num_layers + first + number] = value
        return hidden

    hidden = step_stack(decoder.bottom_rnn, [*inputs, *contexts], 0, [])
    if decoder.attention is not None:
        context, weights = _attend(graph, decoder.attention, hidden, bounded=bounded)
        contexts = [context]
    if decoder.top_rnn is not None:
        num_bottom_layers = decoder.bottom_rnn.shape.num_layers
        hidden = step_stack(decoder.top_rnn, [hidden], num_bottom_layers, contexts)
    joined = graph.concat([hidden, *contexts])
    features = graph.add(
        "Tanh", [graph.linear(joined, decoder.readout, bounded=bounded)]
    )
    outputs = {"features": features}
    outputs |= {f"next_state_{n}": next_state[n] for n in range(len(state))}
    if decoder.input_feeding:
        outputs["next_input_feed"] = features
    if decoder.attention is not None:
        outputs["attention"] = weights
    return graph.model(outputs)


def output_graph(network: EncoderDecoder, *, int8: bool) -> onnx.ModelProto:
    """Build the graph of the output layer: features (R, E) to logits (R, V)."""
    decoder, graph = network.decoder, GraphBuilder(int8=int8)
    size = decoder.output_layer.in_features
    features = graph.input("features", np.float32, ["R", size])
    logits = graph.linear(features, decoder.output_layer, bounded=True)
    return graph.model({"logits": logits})


def _repeat_rows(graph: GraphBuilder, context: str, last_tokens: str) -> str:
    """Repeat each sentence's row for its rows of the step, (N, C) to (R, C)."""
    dimensions = graph.add("Shape", [context])
    num_sentences = graph.add("Gather", [dimensions, graph.constant([0])])
    size = graph.add("Gather", [dimensions, graph.constant([1])])
    repeats = graph.add("Div", [graph.add("Shape", [last_tokens]), num_sentences])
    shape = graph.add("Concat", [num_sentences, repeats, size], {"axis": 0})
    unsqueezed = graph.add("Unsqueeze", [context, graph.constant([1])])
    flat_shape = graph.add("Concat", [graph.constant([-1]), size], {"axis": 0})
    return graph.add("Reshape", [graph.add("Expand", [unsqueezed, shape]), flat_shape])


def _attend(
    graph: GraphBuilder, attention: Attention, hidden: str, *, bounded: bool
) -> tuple[str, str]:
    """Attention over the encoder states, as `Attention.forward` computes it.

    Returns:
        The contexts, (R, H), and the weights, (R, S).
    """
    heads = attention.num_heads
    keys = graph.input("keys", np.float32, ["N", heads, "A", "B"])
    values = graph.input("values", np.float32, ["N", heads, "S", "H"])
    bias = graph.input("attention_bias", np.float32, ["N", 1, 1, "S"])
    num_sentences = graph.add(
        "Gather", [graph.add("Shape", [bias]), graph.constant([0])]
    )
    # (R, Q) to (N, heads, rows of a sentence, Q / heads)
    if attention.query_projection is not None:
        queries = graph.linear(hidden, attention.query_projection, bounded=bounded)
        size = attention.energy.shape[1]
    else:
        queries = graph.scale(hidden, attention.scale)
        size = round(attention.scale**-2)
    split_shape = graph.add(
        "Concat", [num_sentences, graph.constant([-1, heads, size])], {"axis": 0}
    )
    queries = graph.transpose(
        graph.add("Reshape", [queries, split_shape]), (0, 2, 1, 3)
    )
    if attention.query_projection is not None:
        queries = graph.add("Unsqueeze", [queries, graph.constant([3])])
        keys = graph.add("Unsqueeze", [keys, graph.constant([2])])
        activations = graph.add("Tanh", [graph.add("Add", [queries, keys])])
        energy = graph.constant(attention.energy.detach().numpy()[:, None])
        scores = graph.add("MatMul", [activations, energy])
        scores = graph.add("Squeeze", [scores, graph.constant([4])])
    else:
        scores = graph.add("MatMul", [queries, keys])
    weights = graph.add("Softmax", [graph.add("Add", [scores, bias])], {"axis": -1})
    contexts = graph.transpose(graph.add("MatMul", [weights, values]), (0, 2, 1, 3))
    mean = graph.add("ReduceMean", [weights], {"axes": [1], "keepdims": 0})
    joined_heads = graph.reshape(contexts, (0, 0, -1))
    return _flatten_rows(graph, joined_heads), _flatten_rows(graph, mean)


def _flatten_rows(graph: GraphBuilder, value: str) -> str:
    """Merge sentences and their rows: (N, rows of a sentence, X) to (R, X)."""
    width = graph.add("Gather", [graph.add("Shape", [value]), graph.constant([2])])
    shape = graph.add("Concat", [graph.constant([-1]), width], {"axis": 0})
    return graph.add("Reshape", [value, shape])
