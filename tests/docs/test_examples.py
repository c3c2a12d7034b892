"""The programs in examples/ run and print what they promise."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.training.lightning_module import TranslationModule
from seq2seq.utils.files import write_lines

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_beam_search_by_hand_finds_what_greedy_search_misses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    load("beam_search_by_hand").main()
    assert capsys.readouterr().out.splitlines() == [
        "beam size 1:",
        "  a b    p = 0.270",
        "beam size 3:",
        "  b      p = 0.360",
        "  a b    p = 0.270",
        "  a      p = 0.240",
    ]


def test_the_recurrence_by_hand_equals_the_fused_layer_and_shared_gradients_add_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    load("recurrence_by_hand").main(["cell", "shared-weights"])
    numbers = re.findall(r"largest difference: (\S+)", capsys.readouterr().out)
    assert len(numbers) == 2
    assert max(map(float, numbers)) < 1e-5


def test_truncated_gradients_approach_the_whole_one_with_the_window(
    capsys: pytest.CaptureFixture[str],
) -> None:
    load("recurrence_by_hand").main(["truncated"])
    errors = re.findall(r"window \d+: (\S+)", capsys.readouterr().out)
    numbers = [float(error) for error in errors]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > 0.5
    assert numbers[-1] == 0


def test_the_area_of_a_unit_is_the_share_of_pairs_in_order() -> None:
    torch.manual_seed(0)
    values, positive = torch.randn(30, 4), torch.rand(30) < 0.4
    areas = load("units_with_meaning").areas(values, positive)
    above = values[positive][:, None] > values[~positive][None]
    assert torch.allclose(areas, above.double().mean(dim=(0, 1)))


def test_translate_lines_prints_a_translation_and_an_n_best_list(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load("translate_lines").main(str(run), ["The old man buys a red car.\n", "\n"])
    first, blank, *ranked = capsys.readouterr().out.splitlines()
    assert first.startswith("The old man buys a red car. -> ")
    assert blank == " -> "
    assert len(ranked) == 3
    scores = [float(line.split()[0]) for line in ranked]
    assert scores == sorted(scores, reverse=True)


def test_train_tiny_trains_resumes_and_translates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "corpus.en", tmp_path / "corpus.de"
    pairs = list(phrase_pairs("train", count=400))
    write_lines(source, [source_line for source_line, _ in pairs])
    write_lines(target, [target_line for _, target_line in pairs])
    main = load("train_tiny").main
    main(source, target, tmp_path / "run", max_steps=5)
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    translated = capsys.readouterr().out.splitlines()[-5:]
    assert [line.split(" -> ")[0] for line in translated] == [
        source_line for source_line, _ in pairs[-50:-45]
    ]
    main(source, target, tmp_path / "run", max_steps=5)
    assert "is finished" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
def test_lightning_trainer_writes_a_checkpoint_that_translates(tmp_path: Path) -> None:
    best = load("lightning_trainer").main(tmp_path, max_steps=60, max_pairs=300)
    assert best.is_file()
    model = TranslationModule.load_from_checkpoint(best, weights_only=True)
    assert len(model.translate(["The old man buys a red car.", ""])) == 2


def test_every_example_is_listed_and_tested() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    tests = EXAMPLES.parent.joinpath("tests").rglob("test_*.py")
    tested = "".join(path.read_text(encoding="utf-8") for path in tests)
    for path in EXAMPLES.glob("*.py"):
        assert f"`{path.name}`" in listed
        assert re.search(rf"\b{path.stem}\b", tested)
