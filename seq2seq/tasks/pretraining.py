"""Start a classifier's encoder from a language model over the same tokens."""

from __future__ import annotations

from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.recipe import ClassificationRecipe, LanguageModelRecipe
from seq2seq.tasks.task import Vocabularies

_PARTS = {
    "decoder.embedding.": "encoder.embedding.",
    "decoder.bottom_rnn.": "encoder.rnn.",
}
"""Parts of a language model by the parts of a classifier that start from them."""


def require_same_layers(
    start: LanguageModelRecipe, recipe: ClassificationRecipe, name: str
) -> None:
    """Check that the language model's layers are those of the encoder.

    Raises:
        UserError: If a size or the cell differs.
    """
    theirs, ours = start.model.decoder, recipe.model.encoder
    pairs = [
        ("embedding_size", start.model.embedding_size, recipe.model.embedding_size),
        ("cell", theirs.cell, ours.cell),
        ("layers", theirs.layers, ours.layers),
        ("hidden_size", theirs.hidden_size, ours.hidden_size),
    ]
    for key, there, here in pairs:
        if there != here:
            raise UserError(
                f"train.init_from: {name} has {key} {there}, but this recipe's encoder "
                f"has {here}; give both the same."
            )


def pretrained_vocabularies(vocabularies: Vocabularies, name: str) -> Vocabularies:
    """Return the language model's tokenizer as a classifier's, still without labels.

    Raises:
        UserError: If the language model reads characters without a tokenizer.
    """
    if "target.model" not in vocabularies:
        raise UserError(
            f"train.init_from: {name} has no tokenizer to share; train the language "
            "model with one, such as -o tokenizer.model_type=char"
        )
    return {"source.model": vocabularies["target.model"]}


def pretrained_weights(
    language_model: dict[str, Tensor], classifier: dict[str, Tensor]
) -> tuple[dict[str, Tensor], int]:
    """Replace a classifier's random weights by those that a language model has.

    These are the embeddings and the forward direction of the layers; of a further
    layer whose input has both directions, all but its input weights.

    Args:
        language_model: Its state dict.
        classifier: That of the classifier, random.

    Returns:
        The classifier's state dict to start from, and how many weights came over.

    Source: Dai and Le 2015, "Semi-supervised Sequence Learning", section 2.
    """
    weights, count = dict(classifier), 0
    for name, tensor in language_model.items():
        for part, own_part in _PARTS.items():
            own = own_part + name.removeprefix(part)
            if not name.startswith(part) or own not in classifier:
                continue
            if classifier[own].shape == tensor.shape:
                weights[own] = tensor
                count += tensor.numel()
    return weights, count
