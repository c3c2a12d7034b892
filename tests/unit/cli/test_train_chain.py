"""Chains: which commands run, in which order, and which of them run again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer

from seq2seq.cli import app, train_chain
from seq2seq.cli.train_chain import RECORD, ChainRun, Step, chain_steps
from seq2seq.errors import RecipeError, UserError
from seq2seq.recipe.chain import Chain, read_chain, resolve_trainings
from seq2seq.recipe.loader import chain_names, read_recipe, recipe_names

STAGES = """
stages:
  - {name: base, train: quickstart}
  - {name: back, train: quickstart, override: [data.source=de, data.target=en]}
  - {name: distilled, distill: [base, back], sequence_interpolation: true, beam: 3}
  - {name: tuned, train: quickstart, init_from: base, mix: [distilled]}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "chain.yaml"
    path.write_text(STAGES, encoding="utf-8")
    return str(path)


def steps_of(file: str, folder: Path, *overrides: str) -> list[Step]:
    chain = read_chain(file)
    trainings = resolve_trainings(chain, file, folder, overrides)
    return chain_steps(chain, trainings, folder, ["--device", "cpu"])


class Commands:
    """In place of processes: writes what each would make, or fails."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 0
        self.content = b"1"

    def __call__(self, words: Sequence[str]) -> int:
        if self.status:
            return self.status
        self.calls.append(words[0])
        if words[0] == "train":
            path = Path(words[words.index("--output") + 1]) / "checkpoints/best.ckpt"
        else:
            path = Path(words[2]) / "train.en-de.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)
        return 0


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    stub = Commands()
    monkeypatch.setattr(train_chain, "_call", stub)
    return stub


def run(file: str, folder: Path, *overrides: str) -> None:
    chain_run = ChainRun(folder)
    for step in steps_of(file, folder, *overrides):
        chain_run.run(step, step.name)


def test_each_stage_is_a_command_that_seq2seq_understands(
    file: str, tmp_path: Path
) -> None:
    steps = steps_of(file, tmp_path / "c", "seed=7")
    group = typer.main.get_command(app)
    for step in steps:
        command = group.commands[step.words[0]]  # type: ignore[attr-defined]
        command.make_context(step.words[0], list(step.words[1:]))
    base, back, distilled, tuned = (" ".join(step.words) for step in steps)
    folder = tmp_path / "c"
    assert base == f"train quickstart -o seed=7 --output {folder}/base --device cpu"
    assert "-o data.source=de -o data.target=en -o seed=7" in back
    assert distilled == (
        f"distill {folder}/base {folder}/distilled --ensemble {folder}/back "
        "--sequence-interpolation --beam 3 --device cpu"
    )
    assert f"-o train.init_from={folder}/base" in tuned
    assert f"-o data.mix=[{{path: {folder}/distilled}}]" in tuned


def test_a_finished_stage_does_not_run_again(
    file: str, tmp_path: Path, commands: Commands
) -> None:
    run(file, tmp_path / "c")
    assert commands.calls == ["train", "train", "distill", "train"]
    run(file, tmp_path / "c")
    assert len(commands.calls) == 4


def test_a_chain_whose_folder_was_moved_is_still_done(
    file: str, tmp_path: Path, commands: Commands
) -> None:
    run(file, tmp_path / "c")
    (tmp_path / "c").rename(tmp_path / "d")
    run(file, tmp_path / "d")
    assert len(commands.calls) == 4


def test_a_short_name_of_the_folder_is_no_part_of_other_words(
    file: str, tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(file, Path("a"))
    Path("a").rename("b")
    run(file, Path("b"))
    assert len(commands.calls) == 4
    assert '"train.init_from=./base"' in Path("b", RECORD).read_text()


def test_a_stage_that_failed_runs_again_and_those_before_it_do_not(
    file: str, tmp_path: Path, commands: Commands
) -> None:
    chain_run = ChainRun(tmp_path / "c")
    first, second, *_ = steps_of(file, tmp_path / "c")
    chain_run.run(first, "1")
    commands.status = 1
    with pytest.raises(UserError, match="stage back failed with status 1"):
        chain_run.run(second, "2")
    commands.status = 0
    run(file, tmp_path / "c")
    assert commands.calls == ["train", "train", "distill", "train"]


@pytest.mark.parametrize("status", [130, 143])
def test_an_interrupted_stage_ends_the_chain_with_its_status(
    file: str, tmp_path: Path, commands: Commands, status: int
) -> None:
    commands.status = status
    with pytest.raises(typer.Exit) as caught:
        run(file, tmp_path / "c")
    assert caught.value.exit_code == status


def test_a_corpus_that_was_written_before_the_chain_was_killed_is_kept(
    file: str, tmp_path: Path, commands: Commands
) -> None:
    run(file, tmp_path / "c")
    path = tmp_path / "c/stages.json"
    record = json.loads(path.read_text())
    record["distilled"]["digest"] = None  # Killed between the two.
    path.write_text(json.dumps(record))
    run(file, tmp_path / "c")
    assert commands.calls.count("distill") == 1


def test_another_command_does_not_continue_a_chain(
    file: str, tmp_path: Path, commands: Commands
) -> None:
    run(file, tmp_path / "c")
    with pytest.raises(UserError, match=r"base was made by another command"):
        run(file, tmp_path / "c", "seed=2")


def test_a_stage_that_was_replaced_is_noticed(
    file: str, tmp_path: Path, commands: Commands
) -> None:
    run(file, tmp_path / "c")
    (tmp_path / "c/base/checkpoints/best.ckpt").write_bytes(b"2")
    with pytest.raises(UserError, match="base has been changed"):
        run(file, tmp_path / "c")
    record = json.loads((tmp_path / "c/stages.json").read_text())
    del record["base"]  # As if its folder had been removed, and trained again.
    (tmp_path / "c/stages.json").write_text(json.dumps(record))
    commands.content = b"3"
    with pytest.raises(UserError, match=r"distilled was made by .* other inputs"):
        run(file, tmp_path / "c")


def test_the_users_override_of_what_a_stage_sets_is_refused(
    file: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=r"stage back sets data\.source itself"):
        steps_of(file, tmp_path, "data.source=fr")
    with pytest.raises(RecipeError, match=r"stage tuned sets data\.mix itself"):
        steps_of(file, tmp_path, "data.mix=[]")


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("[]", "at least 1"),
        ("[{name: a}]", "stage a needs either train or distill"),
        ("[{name: a, train: x, distill: [b]}]", "needs either"),
        ("[{name: a, train: x, beam: 2}]", "beam are for stages that distill"),
        ("[{name: a, train: x}, {name: a, train: x}]", "two of them are called a"),
        ("[{name: ../a, train: x}]", "does not match"),
        (
            "[{name: base, train: x}, {name: b, train: x, init_from: bse}]",
            "bse is no earlier stage that trains, did you mean 'base'",
        ),
        ("[{name: a, train: x, mix: [a]}]", "a is no earlier stage that distills"),
        ("[{name: a, train: x, nx: 1}]", "unknown key"),
    ],
)
def test_a_fault_of_a_chain_is_one_line(
    stages: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "chain.yaml"
    path.write_text(f"stages: {stages}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=message) as caught:
        read_chain(str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_wrong_recipe_is_found_before_anything_runs(tmp_path: Path) -> None:
    chain = Chain.model_validate({"stages": [{"name": "a", "train": "quikstart"}]})
    with pytest.raises(RecipeError, match=r"stage a: .*quikstart"):
        resolve_trainings(chain, "chain/quickstart", tmp_path, [])


@pytest.mark.parametrize("name", chain_names())
def test_the_shipped_chains_are_valid_and_no_recipes(name: str, tmp_path: Path) -> None:
    assert name not in recipe_names()
    resolve_trainings(read_chain(name), name, tmp_path, ["seed=3"])
    with pytest.raises(RecipeError, match="a chain of trainings"):
        read_recipe(name)


@pytest.mark.parametrize("text", ["[]", '{"base": 5}', '{"base": {}}', "[" * 99_999])
def test_a_damaged_record_is_refused(
    file: str, tmp_path: Path, commands: Commands, text: str
) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / RECORD).write_text(text)
    with pytest.raises(UserError, match=r"stages\.json is damaged"):
        run(file, tmp_path / "c")
