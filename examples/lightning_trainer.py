"""Train with Lightning's own Trainer, callbacks and loggers, without a run folder.

    python examples/lightning_trainer.py

The data module and the module are those that `seq2seq train` uses. The checkpoint holds
recipe, tokenizers and weights, so nothing else is needed to translate with it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.loggers import CSVLogger

from seq2seq.data.datamodule import TranslationDataModule
from seq2seq.recipe.loader import read_recipe
from seq2seq.training.lightning_module import TranslationModule


def main(folder: Path, *, max_steps: int = 600, max_pairs: int = 20_000) -> Path:
    """Train on a part of the phrasebook; return the best checkpoint."""
    small = [f"data.max_pairs={max_pairs}", "tokenizer.vocab_size=600"]
    recipe = read_recipe("quickstart", small)
    data = TranslationDataModule(recipe)
    model = TranslationModule(recipe, data.tokenizers)
    checkpoint = ModelCheckpoint(folder, monitor="valid_bleu", mode="max")
    trainer = Trainer(
        max_steps=max_steps,
        callbacks=[
            checkpoint,
            EarlyStopping(monitor="valid_bleu", mode="max", patience=3),
            LearningRateMonitor(),
            RichProgressBar(),
        ],
        logger=CSVLogger(folder),
    )
    trainer.fit(model, data)
    return Path(checkpoint.best_model_path)


if __name__ == "__main__":
    run = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    best = TranslationModule.load_from_checkpoint(main(run), weights_only=True)
    print(best.translate(["The old man buys a red car.", ""]))
