"""The stops of the tour in order: code, commands, figures with tolerances, plots.

`docs/make_lecture.py` says how they become pages.
"""

from __future__ import annotations

import plots
from readers import (
    TEMPERATURES,
    Code,
    Figure,
    Stop,
    distinct,
    file,
    flow_plot,
    known,
    norm,
    number,
    samples,
    score,
    summary,
)

PHRASES = (
    "seq2seq train lecture/phrasebook -o train.max_steps=600 "
    "-o train.validate_every=600"
)
LAYERS = f"{PHRASES} -o model.decoder.hidden_size=128 -o model.decoder.layers"
BY_HAND = "python examples/recurrence_by_hand.py"

STOPS = [
    Stop(
        "one-to-one",
        Code(
            "seq2seq/tasks/tagging.py",
            "Tagger.features",
            first="if self.recurrent",
            lines=8,
        ),
        (
            "seq2seq train lecture/nback -o model.recurrent=false "
            "--output runs/nback-alone",
            "seq2seq evaluate runs/nback-alone --json",
        ),
        {
            "accuracy": Figure(score("accuracy"), "{:.1f}", absolute=2.0),
            "baseline": Figure(
                score("accuracy", baseline="most frequent"), "{:.1f}", absolute=0.01
            ),
        },
    ),
    Stop(
        "cell",
        Code("seq2seq/nn/rnn_layer_norm.py", "_RNNDirection._step", lines=5),
        (f"{BY_HAND} cell",),
        {
            "difference": Figure(number("largest difference"), "{:.1e}", absolute=1e-6),
            "tanh": Figure(number("largest state, tanh"), "{:.2f}", absolute=0.01),
            "linear": Figure(number("largest state, no tanh"), "{:.0e}", relative=9.0),
        },
    ),
    Stop(
        "shared-weights",
        Code(
            "seq2seq/nn/rnn_layer_norm.py",
            "_RNNDirection.forward",
            first="for position in",
            lines=2,
        ),
        (f"{BY_HAND} shared-weights",),
        {
            "parameters": Figure(number("parameters"), "{:,.0f}"),
            "unshared": Figure(number("parameters without sharing"), "{:,.0f}"),
            "difference": Figure(number("largest difference"), "{:.1e}", absolute=1e-5),
        },
    ),
    Stop(
        "hello",
        Code(
            "seq2seq/tasks/language_model.py",
            "LanguageModel.loss",
            first="features, state =",
            lines=8,
        ),
        (
            "seq2seq train lecture/hello",
            "seq2seq sample runs/lecture/hello --prompt h --greedy",
            "seq2seq evaluate runs/lecture/hello --json",
        ),
        {
            "loss": Figure(score("nats_per_token"), "{:.4f}", absolute=0.005),
            "written": Figure(lambda outputs: outputs.texts[1].rstrip("\n")),
            "bigram": Figure(
                lambda outputs: plots.best_bigram_loss("hello\n"), "{:.3f}"
            ),
            "counting": Figure(
                score("nats_per_token", baseline="Witten-Bell"), "{:.4f}", absolute=1e-4
            ),
        },
        plot=lambda outputs: plots.hello(outputs.folder / "runs/lecture/hello"),
    ),
    Stop(
        "one-hot",
        Code("seq2seq/nn/encoder.py", "Encoder.forward", first="embedded =", lines=3),
        (f"{BY_HAND} one-hot",),
        {
            "outputs": Figure(number("outputs that differ"), "{:.0f}"),
            "exact": Figure(number("gradients that differ, eighths"), "{:.0f}"),
            "rounded": Figure(
                number("gradients that differ, any numbers"), "{:,.0f}", absolute=64000
            ),
        },
    ),
    Stop(
        "sampling",
        Code(
            "seq2seq/tasks/language_model.py",
            "generate",
            first="log_probs, state =",
            lines=10,
        ),
        (
            "seq2seq train lecture/phrasebook",
            "seq2seq evaluate runs/lecture/phrasebook --json",
            *(
                f"seq2seq sample runs/lecture/phrasebook --lines 100 "
                f"--max-length 20000 --temperature {temperature}"
                for temperature in TEMPERATURES
            ),
        ),
        {
            "nats": Figure(score("nats_per_character", command=1), absolute=0.05),
            "counting": Figure(
                score("nats_per_character", command=1, baseline="Kneser-Ney"),
                absolute=0.005,
            ),
            "samples": Figure(samples),
            **{
                f"distinct-{n}": Figure(distinct(n), "{:.0f}", absolute=12)
                for n in range(4)
            },
            **{f"known-{n}": Figure(known(n), "{:.0f}", absolute=8) for n in range(4)},
        },
    ),
    Stop(
        "bptt",
        Code(
            "seq2seq/evaluation/gradient_flow.py",
            "measure_gradient_flow",
            first="states =",
            lines=6,
        ),
        ("seq2seq diagnose gradients --json",),
        {
            "small-10": norm("tanh", 0.1, 10),
            "small-100": norm("tanh", 0.1, 100),
            "small-200": norm("tanh", 0.1),
            "unit-10": norm("tanh", 1.0, 10),
            "unit-100": norm("tanh", 1.0, 100),
            "unit-200": norm("tanh", 1.0),
        },
        plot=flow_plot(("tanh", "tanh, W times 0.9"), "|dL/dh|"),
    ),
    Stop(
        "truncated",
        Code(
            "seq2seq/models/encoder_decoder.py",
            "EncoderDecoder.forward_decoder",
            first="outputs = []",
            lines=5,
        ),
        (
            f"{BY_HAND} truncated",
            *(
                f"{PHRASES} -o train.truncated_bptt_steps={window} "
                f"-o train.carry_state={carry} --output runs/window-{window}-{carry}"
                for window in (8, 64)
                for carry in ("true", "false")
            ),
        ),
        {
            **{
                f"error-{w}": Figure(
                    number(f"relative error, window {w}"), "{:.2f}", absolute=0.05
                )
                for w in (1, 20, 100, 200)
            },
            **{
                f"loss-{w}-{c}": Figure(
                    summary(f"runs/window-{w}-{c}", "best_valid_loss"), absolute=0.05
                )
                for w in (8, 64)
                for c in ("true", "false")
            },
        },
    ),
    Stop(
        "many-to-one",
        Code("seq2seq/tasks/classification.py", "pool"),
        (
            "seq2seq train lecture/adding -o data.length=20 -o train.max_steps=800 "
            "-o train.validate_every=200 --output runs/adding-20",
            "seq2seq evaluate runs/adding-20 --json",
        ),
        {
            "rmse": Figure(score("rmse"), "{:.3f}", absolute=0.02),
            "baseline": Figure(
                score("rmse", baseline="mean"), "{:.3f}", absolute=0.001
            ),
        },
    ),
    Stop(
        "one-to-many",
        Code(
            "seq2seq/nn/attention.py",
            "Attention.forward",
            first="scores = scores.masked_fill",
            lines=3,
        ),
        ("seq2seq train lecture/shapes", "seq2seq evaluate runs/lecture/shapes --json"),
        {
            "exact": Figure(score("exact"), "{:.1f}", absolute=8),
            "bleu": Figure(score("bleu"), "{:.1f}", absolute=4),
            "nearest-exact": Figure(
                score("exact", baseline="nearest"), "{:.1f}", absolute=0.01
            ),
            "nearest-bleu": Figure(
                score("bleu", baseline="nearest"), "{:.1f}", absolute=0.1
            ),
        },
        plot=lambda outputs: plots.attention(
            outputs.folder / "runs/lecture/shapes", 240
        ),
    ),
    Stop(
        "many-to-many",
        Code("seq2seq/tasks/tagging.py", "Tagging.loss"),
        ("seq2seq train lecture/nback", "seq2seq evaluate runs/lecture/nback --json"),
        {"accuracy": Figure(score("accuracy"), "{:.1f}", absolute=2.0)},
    ),
    Stop(
        "seq2seq",
        Code("seq2seq/models/encoder_decoder.py", "EncoderDecoder.init_decoder"),
        (
            *(
                command
                for kind in ("fixed", "general")
                for command in (
                    f"seq2seq train quickstart -o model.attention={kind} -o "
                    "train.max_steps=600 -o train.validate_every=300 "
                    f"--output runs/context-{kind}",
                    f"seq2seq evaluate runs/context-{kind} --json",
                )
            ),
            'seq2seq heatmap runs/context-general "The old man often buys the cheap '
            'egg." --output attention.svg',
        ),
        {
            "fixed": Figure(score("bleu", command=1), "{:.1f}", absolute=6),
            "attention": Figure(score("bleu", command=3), "{:.1f}", absolute=4),
        },
        plot=file("attention.svg"),
    ),
    Stop(
        "clipping",
        Code(
            "seq2seq/training/module.py",
            "TrainingModule.configure_gradient_clipping",
            first="limit =",
            lines=4,
        ),
        ("seq2seq diagnose gradients --json", f"{BY_HAND} clipping"),
        {
            "small": norm("tanh, W times 1.5", 0.1),
            "unit": norm("tanh, W times 1.5", 1.0),
            "below": norm("tanh, W times 0.9", 0.1),
            "right-10": Figure(number("norm 10, by the norm"), "{:g}"),
            "right-100": Figure(number("norm 100, by the norm"), "{:g}"),
            "square-10": Figure(number("norm 10, by its square"), "{:g}"),
            "square-100": Figure(number("norm 100, by its square"), "{:g}"),
        },
        plot=flow_plot(
            ("tanh, W times 0.9", "tanh", "tanh, W times 1.1", "tanh, W times 1.5"),
            "|dL/dh|",
        ),
    ),
    Stop(
        "gates",
        Code("seq2seq/nn/rnn_stack.py", "_chrono_init"),
        (
            "seq2seq diagnose gradients --json",
            "seq2seq train lecture/recall",
            "seq2seq evaluate runs/lecture/recall --json",
            "seq2seq train lecture/recall -o model.encoder.chrono_span=null "
            "--output runs/recall-plain",
            "seq2seq evaluate runs/recall-plain --json",
            "seq2seq train lecture/copy -o data.length=50 -o train.max_steps=300 "
            "-o train.validate_every=300 --output runs/copy-50",
            "seq2seq evaluate runs/copy-50 --json",
        ),
        {
            "lstm": norm("LSTM", 1.0),
            "lstm-chrono": norm("LSTM, chrono 200", 1.0),
            "gru": norm("GRU", 1.0),
            "gru-chrono": norm("GRU, chrono 200", 1.0),
            "recall": Figure(score("accuracy", command=2), "{:.1f}", absolute=3),
            "plain": Figure(score("accuracy", command=4), "{:.1f}", absolute=6),
            "majority": Figure(
                score("accuracy", command=2, baseline="most frequent"), "{:.1f}"
            ),
            "bayes": Figure(score("accuracy", command=2, baseline="Bayes"), "{:.1f}"),
            "copy-loss": Figure(
                lambda outputs: float(outputs.json(6)["loss"]), "{:.3f}", absolute=0.04
            ),
            "copy-all": Figure(score("accuracy"), "{:.1f}", absolute=2),
            "copy-blank": Figure(
                score("accuracy", baseline="most frequent"), "{:.1f}", absolute=0.01
            ),
        },
        plot=flow_plot(
            ("tanh", "LSTM", "LSTM, chrono 200", "GRU", "GRU, chrono 200"),
            "|dL/dh|, of LSTMs |dL/dc|",
        ),
    ),
    Stop(
        "layers",
        Code(
            "seq2seq/nn/rnn_stack.py",
            "RNNStack.forward",
            first="for index, layer",
            lines=11,
        ),
        (
            *(
                f"{LAYERS}={layers} --output runs/layers-{layers}"
                for layers in (1, 2, 4)
            ),
            f"{LAYERS}=4 -o model.decoder.residual=true "
            "--output runs/layers-4-residual",
        ),
        {
            f"{name}-{run}": Figure(
                summary(f"runs/layers-{run}", key), text, absolute=tolerance
            )
            for run in ("1", "2", "4", "4-residual")
            for name, key, text, tolerance in (
                ("parameters", "parameters", "{:,.0f}", 0.0),
                ("loss", "best_valid_loss", "{:.2f}", 0.15),
            )
        },
    ),
    Stop(
        "units",
        Code("examples/units_with_meaning.py", "areas"),
        (
            "seq2seq train lecture/phrasebook",
            "python examples/units_with_meaning.py runs/lecture/phrasebook "
            "--output units.svg",
        ),
        {
            "area": Figure(
                number("trained, area under the curve"), "{:.3f}", absolute=0.02
            ),
            "random": Figure(
                number("random, area under the curve"), "{:.3f}", absolute=0.03
            ),
        },
        plot=file("units.svg"),
    ),
]
