"""How one line was translated: n-best list, attention, beam tree and gates, as JSON.

docs/demo-page.md describes the result; the page of `seq2seq serve` draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from seq2seq.errors import UserError
from seq2seq.models.gate_recording import recurrent_layers
from seq2seq.nn.gates import gate_names
from seq2seq.recipe import AttentionOptions
from seq2seq.search.watcher import Candidate
from seq2seq.translate.alignment import Weights, align, word_indices
from seq2seq.translate.constraints import TranslationRequest, check_options
from seq2seq.translate.gate_activations import gate_activations
from seq2seq.translate.input_splitting import WORD, Segment, is_spaced, target_gap
from seq2seq.translate.line_pipeline import LinePipeline, replace_surrogates
from seq2seq.translate.options import TranslationOptions
from seq2seq.types import EOS, Hypothesis

if TYPE_CHECKING:
    from seq2seq.data.tokenizer import Tokenizer
    from seq2seq.translate.translator import Translator

END = "</s>"
"""How EOS is written."""

DIGITS = 6

StepWatcher = Callable[[dict[str, Any]], None]
"""Receives each step of a search: the segment's number, the step's, and its nodes."""


def explain(
    translator: Translator,
    text: str,
    *,
    prefix: str | None = None,
    required: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    beam_size: int | None = None,
    watcher: StepWatcher | None = None,
) -> dict[str, Any]:
    """Translate a line, and return how: everything in it can be written as JSON.

    A line of several sentences is explained sentence by sentence, as it is translated.
    The translation is that of `Translator.translate_batch`. While gates are recorded,
    no other thread disturbs them, and none is disturbed.

    Args:
        translator: The translator.
        text: The source line.
        prefix: Beginning of the translation, as of a `TranslationRequest`.
        required: Phrases that it must contain.
        forbidden: Phrases that it must not contain.
        beam_size: K; the recipe's if None. As many hypotheses are returned at most.
        watcher: Receives each step as it happens: `segment`, `step` and the `nodes`
            of the tree that it adds. A step 0 begins the tree of a segment anew.

    Returns:
        As docs/demo-page.md describes.

    Raises:
        UserError: As `Translator.translate_batch`, or if the recipe draws samples.
    """
    search = translator.recipe.search
    if search.method != "beam":
        raise UserError(
            "what is explained is a beam search, but the recipe draws samples; load "
            "the run with -o search.method=beam (in Python overrides=[...])."
        )
    if beam_size is not None:
        search = search.model_copy(update={"beam_size": beam_size})
    options = TranslationOptions(
        search=search, n_best=search.beam_size, token_log_probs=True
    )
    tree = BeamTree(translator.target, watcher)
    pipeline = LinePipeline(translator, options, watcher=tree)
    segmenter = replace(pipeline.segment, surfaces=True)
    (line,) = segmenter([replace_surrogates(text)])
    phrases, banned = (
        tuple(map(replace_surrogates, texts)) for texts in (required, forbidden)
    )
    beginning = replace_surrogates(prefix or "")
    request = TranslationRequest(text, beginning, phrases, banned, location="this line")
    if request.has_constraints:
        check_options(request, search, options)
        pipeline.constrain(request, line.segments)
    explained: list[dict[str, Any]] = []
    results = []
    for number, segment in enumerate(line.segments):
        tree.segment = number
        (result,) = pipeline.search([segment])
        assert not isinstance(result, UserError)  # It would have been raised.
        results.append(result)
        explained.append(_segment(translator, segment, result, tree))
    joined = pipeline.join(line, results)
    return {
        "translation": joined.translation,
        "score": _rounded(joined.score or 0.0),
        "beam_size": search.beam_size,
        "languages": [translator.recipe.data.source, translator.recipe.data.target],
        "missing": _missing(translator, explained),
        "segments": explained,
    }


@dataclass
class BeamTree:
    """The tree of a segment's search, as a watcher of it.

    Hypotheses of several groups that are the same so far are one node.

    Attributes:
        tokenizer: The target side's tokenizer.
        receive: Receives each step, if any.
        segment: The number of the segment that is searched.
        nodes: The tree's nodes, as JSON.
    """

    tokenizer: Tokenizer
    receive: StepWatcher | None = None
    segment: int = 0
    nodes: list[dict[str, Any]] = field(default_factory=list)
    _ids: dict[tuple[int | None, int], int] = field(default_factory=dict)
    _rows: dict[int, int | None] = field(default_factory=dict)

    def on_step(self, length: int, candidates: Sequence[Candidate]) -> None:
        """Add the candidates of a step; the first step of a search begins anew."""
        if length == 0:
            self.nodes, self._ids = [], {}
            self._rows = {candidate.parent: None for candidate in candidates}
        rows, self._rows = self._rows, {}
        tokens = self.tokenizer.id_to_tokens([c.token for c in candidates])
        reported = []
        for candidate, token in zip(candidates, tokens, strict=True):
            parent = rows[candidate.parent]
            key = parent, candidate.token
            if key not in self._ids:
                self._ids[key] = len(self.nodes)
                self.nodes.append(
                    {
                        "id": len(self.nodes),
                        "step": length,
                        "parent": parent,
                        "token": END if candidate.token == EOS else token,
                        "token_log_prob": _rounded(candidate.token_log_prob),
                        "log_prob": _rounded(candidate.log_prob),
                        "score": _rounded(candidate.score),
                        "state": candidate.state,
                    }
                )
                reported.append(self.nodes[-1])
            elif candidate.state != "cut":
                self.nodes[self._ids[key]]["state"] = candidate.state
            if candidate.row is not None:
                self._rows[candidate.row] = self._ids[key]
        if self.receive is not None:
            step = {"segment": self.segment, "step": length, "nodes": reported}
            self.receive(step)

    def path(self, tokens: Sequence[int]) -> list[int]:
        """Return the nodes of a hypothesis, from its first token to its last."""
        path: list[int] = []
        for token in tokens:
            path.append(self._ids[path[-1] if path else None, token])
        return path


def _segment(
    translator: Translator,
    segment: Segment,
    hypotheses: Sequence[Hypothesis],
    tree: BeamTree,
) -> dict[str, Any]:
    """Explain a segment."""
    data = translator.recipe.data
    # Language tokens, if the model has several target languages.
    prefix = translator.source.id_to_tokens(
        segment.ids[: len(segment.ids) - len(segment.surfaces)]
    )
    surfaces = _marked(segment.surfaces, spaced=is_spaced(data.source))
    marked = [*(WORD + token for token in prefix), *surfaces, WORD + END]
    gates: list[dict[str, Any]] = []
    if not _without_gates(translator):
        gates = gate_activations(translator.network, segment.ids, hypotheses[0])
    return {
        "gap": target_gap(segment.gap, data.source, data.target),
        "source": {
            "text": "".join(segment.surfaces).replace(WORD, " ").strip(),
            "tokens": [*prefix, *segment.surfaces, END],
            **_words(marked),
        },
        "hypotheses": [
            _hypothesis(translator, marked, len(prefix), hypothesis, tree)
            for hypothesis in hypotheses
        ],
        "tree": tree.nodes,
        "gates": gates,
    }


def _hypothesis(
    translator: Translator,
    source: Sequence[str],
    prefix: int,
    hypothesis: Hypothesis,
    tree: BeamTree,
) -> dict[str, Any]:
    """Explain a hypothesis of a segment; its tokens and words end with EOS.

    Args:
        translator: The translator.
        source: The source's tokens with EOS, "▁" before each word.
        prefix: How many of them are language tokens.
        hypothesis: The hypothesis.
        tree: The tree of its search.
    """
    data, target = translator.recipe.data, translator.target
    ids = [*hypothesis.tokens, *[EOS] * hypothesis.finished]
    tokens = target.id_to_tokens(hypothesis.tokens)
    end = [END] * hypothesis.finished
    marked = _marked(tokens, spaced=is_spaced(data.target))
    marked_to_end = [*marked, *(WORD + token for token in end)]
    explained: dict[str, Any] = {
        "text": target.decode([hypothesis.tokens])[0],
        "score": _rounded(hypothesis.score),
        "log_prob": _rounded(hypothesis.log_prob),
        "finished": hypothesis.finished,
        "tokens": [*tokens, *end],
        "token_log_probs": [*map(_rounded, hypothesis.token_log_probs or ())],
        **_words(marked_to_end),
        "path": tree.path(ids),
        "attention": None,
        "word_attention": None,
        "alignment": None,
    }
    if hypothesis.attention is not None:
        weights = hypothesis.attention.float().numpy()[:, : len(source)]
        aligned = align(source, marked_to_end, weights)
        text_weights = weights[: len(tokens), prefix:-1]
        links = align(source[prefix:-1], marked, text_weights).links()
        explained["attention"] = _matrix(weights)
        explained["word_attention"] = _matrix(aligned.weights)
        explained["alignment"] = [[prefix + i, j] for i, j in links]
    return explained


def _words(marked: Sequence[str]) -> dict[str, Any]:
    """Return the words of tokens, and the word that each token is of."""
    words = [word for word in "".join(marked).split(WORD) if word]
    return {"words": words, "word_of_token": word_indices(marked)}


def _marked(tokens: Sequence[str], *, spaced: bool) -> list[str]:
    """Return tokens with "▁" before words; all are without blanks between words."""
    return [token if spaced else WORD + token.lstrip(WORD) for token in tokens]


def _matrix(weights: Weights) -> list[list[float]]:
    return [[*map(_rounded, row)] for row in weights.tolist()]


def _rounded(number: float) -> float:
    return round(number, DIGITS)


def _without_gates(translator: Translator) -> str:
    """Return why there are no gates; empty if there are."""
    try:
        network = translator.network
    except UserError as error:
        return str(error)
    cells = {gate_names(layer) for layer in recurrent_layers(network).values()}
    return "" if any(cells) else "the cells of a plain RNN have no gates."


def _missing(
    translator: Translator, segments: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Return what cannot be shown, and why."""
    missing = {}
    if any(segment["hypotheses"][0]["attention"] is None for segment in segments):
        missing["attention"] = "the engine returns no attention weights."
        if not isinstance(translator.recipe.model.attention, AttentionOptions):
            missing["attention"] = "the model has no attention."
    if reason := _without_gates(translator):
        missing["gates"] = reason
    return missing
