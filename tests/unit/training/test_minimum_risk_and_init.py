"""Training that starts from another run, and training towards lower risk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.loss import chunked_cross_entropy
from seq2seq.recipe import MinimumRiskOptions, Recipe, SamplingOptions, SearchOptions
from seq2seq.runs.run import Run
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.sampling import sample, sentence_seed
from seq2seq.tasks.minimum_risk import expected_risk
from seq2seq.training.train import train
from seq2seq.types import Batch
from tests.helpers.runs import MODEL, make_run
from tests.helpers.tiny_models import SOURCES, TARGETS, exact

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")
RISK = MinimumRiskOptions(num_samples=6, alpha=0.3)


def tuned(start: Path, rate: float = 1e-3, **train_options: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "data": {
                "path": "phrasebook",
                "source": "en",
                "target": "de",
                "max_pairs": 99,
            },
            "tokenizer": {"vocab_size": 60},
            "model": {**MODEL, "dropout": 0.3},
            "train": {
                "max_steps": 2,
                "batch_tokens": 200,
                "validate_every": 2,
                "init_from": str(start),
                "optimizer": {"kind": "sgd", "learning_rate": rate},
                **train_options,
            },
        }
    )


def test_a_run_starts_with_the_weights_and_tokenizers_of_another(
    tmp_path: Path,
) -> None:
    start = make_run(tmp_path / "start", dropout=0.1)
    train(tuned(start, rate=1e-12), tmp_path / "tuned")
    one, two = Run.open(start), Run.open(tmp_path / "tuned")
    one.require_same_tokenizers(two)
    torch.testing.assert_close(two.network().state_dict(), one.network().state_dict())


@pytest.mark.slow
def test_a_tuned_run_moves_away_and_continues_without_starting_anew(
    tmp_path: Path,
) -> None:
    start = make_run(tmp_path / "start")
    recipe = tuned(start, rate=0.1, checkpoint_every=1)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    train(recipe, whole)
    train(recipe, halves)
    (halves / "summary.json").unlink()  # As if it had been killed after the last step.
    train(recipe, halves)
    log = (halves / "train.log").read_text(encoding="utf-8")
    assert log.count("starting from") == 1
    assert log.count("continuing from") == 1
    end, again = Run.open(whole).network(), Run.open(halves).network()
    torch.testing.assert_close(again.state_dict(), end.state_dict(), rtol=0, atol=0)
    begun = Run.open(start).network().state_dict()["decoder.readout.weight"]
    assert not torch.equal(end.state_dict()["decoder.readout.weight"], begun)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"model": {"embedding_size": 10}}, "has model.embedding_size: 12"),
        (
            {"model": {"encoder": {"cell": "lstm"}}},
            "has model.encoder.cell: gru, but the recipe has lstm",
        ),
        ({"train": {"init_from": "nowhere"}}, "nowhere"),
        ({"train": {"freeze": ["encoder.embeding"]}}, "mean 'encoder.embedding'"),
        ({"train": {"freeze": ["nothing"]}}, "it has encoder, decoder, bridge"),
        ({"train": {"freeze": ["encoder", "decoder", "bridge"]}}, "leave a part"),
    ],
)
def test_another_network_is_no_start(
    section: dict[str, dict[str, Any]], said: str, tmp_path: Path
) -> None:
    tree = tuned(make_run(tmp_path / "start")).model_dump()
    for name, changes in section.items():
        for key, value in changes.items():
            if isinstance(value, dict):
                tree[name][key].update(value)
            else:
                tree[name][key] = value
    with pytest.raises(UserError, match=said):
        train(Recipe.model_validate(tree), tmp_path / "tuned")
    assert not (tmp_path / "tuned").exists()


def test_weights_multiply_the_loss_of_each_position() -> None:
    torch.manual_seed(0)
    output = torch.nn.Linear(5, 9).double()
    features = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([4, 0, 3, 8, 2, 0, 1])
    weights = torch.tensor([1.0, 5.0, -2.0, 0.5, 0.0, 1.0, 3.0])
    inputs = (features, *output.parameters())
    log_probs = torch.log_softmax(output(features), dim=1)
    picked = log_probs.gather(1, targets[:, None])[:, 0] * weights.double()
    plain = -picked[targets != 0].sum()
    loss = chunked_cross_entropy(
        features, output, targets, weights=weights, chunk=20
    ).loss
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(
        torch.autograd.grad(loss, inputs), torch.autograd.grad(plain, inputs)
    )


def likes_short(hypotheses: Sequence[Sequence[int]], _: Sequence[int]) -> list[float]:
    return [1 / (1 + len(each)) for each in hypotheses]


def candidates(
    model: EncoderDecoder, batch: Batch, seed: int
) -> list[list[tuple[int, ...]]]:
    """Draw as expected_risk does, and keep each finished one once."""
    options = SearchOptions(sampling=SamplingOptions(seed=seed))
    with torch.no_grad():
        encoded = model.encoder(batch.source, batch.source_lengths)
        found = sample(
            model.step,
            *model.init_decoder(encoded),
            DecodingConstraints.from_length_ratio(batch.source_lengths, options),
            options,
            seeds=[sentence_seed(row) for row in batch.source.tolist()],
            num_samples=RISK.num_samples,
        )
    return [list({each.tokens: 0 for each in row if each.finished}) for row in found]


def plain_risk(model: EncoderDecoder, batch: Batch, seed: int) -> torch.Tensor:
    """The definition: shares of the candidates times their costs, by autograd."""
    total = torch.zeros((), dtype=torch.float64)
    for place, group in enumerate(candidates(model, batch, seed)):
        if len(group) < 2:
            continue  # One candidate costs what it costs.
        source = [piece for piece in batch.source[place].tolist() if piece > 3]
        log_probs = []
        for pieces in group:
            pair = collate([source], [list(pieces)])
            loss = model(pair)
            log_probs.append(-loss.loss)
        costs = 1 - torch.tensor(likes_short(group, ()), dtype=torch.float64)
        shares = torch.softmax(RISK.alpha * torch.stack(log_probs), dim=0)
        total = total + (len(TARGETS[place]) + 1) * (shares * costs).sum()
    return total


@pytest.mark.parametrize("kind", ["none", "fixed", "general"])
def test_the_slope_is_that_of_the_expected_cost(kind: str) -> None:
    model = exact(attention={"kind": kind})
    batch = collate(SOURCES, TARGETS)
    assert max(map(len, candidates(model, batch, 7))) > 1
    inputs = list(model.parameters())
    plain = torch.autograd.grad(plain_risk(model, batch, 7), inputs)
    found = expected_risk(model, batch, RISK, likes_short, seed=7, max_length_ratio=2.0)
    slope = torch.autograd.grad(RISK.alpha * found, inputs)
    torch.testing.assert_close(slope, plain)


def test_candidates_are_drawn_without_dropout_also_while_training() -> None:
    model = exact(dropout=0.5)
    batch = collate(SOURCES, TARGETS)
    drawn: list[list[tuple[int, ...]]] = []

    def recorded(hypotheses: Sequence[Sequence[int]], _: Sequence[int]) -> list[float]:
        drawn.append([tuple(tokens) for tokens in hypotheses])
        return [0.5] * len(hypotheses)

    expected = candidates(model.eval(), batch, 7)
    model.train()
    expected_risk(model, batch, RISK, recorded, seed=7, max_length_ratio=2.0)
    assert model.training
    assert all(expected)  # Each sentence has a finished candidate.
    assert drawn == expected


def test_what_the_model_says_costs_less_and_less() -> None:
    model = exact(attention={"kind": "general"}).train()
    batch = collate(SOURCES, TARGETS)
    optimizer = torch.optim.Adam(model.parameters(), 3e-2)
    lengths = []
    for seed in range(25):
        drawn = candidates(model.eval(), batch, seed)
        counts = [len(each) for group in drawn for each in group]
        lengths.append(sum(counts) / len(counts))
        model.train()
        risk = expected_risk(
            model, batch, RISK, likes_short, seed=seed, max_length_ratio=2.0
        )
        assert model.training
        optimizer.zero_grad()
        risk.backward()
        optimizer.step()
    assert sum(lengths[-5:]) < 0.6 * sum(lengths[:5])


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["chrf", "bleu"])
def test_a_recipe_can_ask_for_less_risk(metric: str, tmp_path: Path) -> None:
    start = make_run(tmp_path / "start")
    plain, tuned_run = tmp_path / "plain", tmp_path / "risk"
    train(tuned(start), plain)
    train(tuned(start, minimum_risk={"metric": metric, "num_samples": 2}), tuned_run)
    one, two = (Run.open(each).network().state_dict() for each in (plain, tuned_run))
    assert not torch.equal(one["decoder.readout.weight"], two["decoder.readout.weight"])
