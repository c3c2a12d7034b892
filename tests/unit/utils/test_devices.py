"""--device and --devices: what they choose on machines with and without GPUs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch

from seq2seq.cli import main
from seq2seq.errors import UserError
from seq2seq.recipe.loader import read_recipe
from seq2seq.runs.run_folder import RunFolder, hardware_info
from seq2seq.training import precision, trainer
from seq2seq.training.distributed import DistributedConfig
from seq2seq.training.train import train
from seq2seq.translate import Translator
from seq2seq.translate.sequence_scorer import SequenceScorer
from seq2seq.utils.devices import has_bfloat16, resolve_devices

Machine = Callable[[int], None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Let torch see a number of GPUs."""

    def set_gpus(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: f"GPU {name}")

    return set_gpus


@pytest.mark.parametrize(
    ("gpus", "device", "count", "names"),
    [
        (0, "auto", 1, ["cpu"]),
        (0, "auto", 3, ["cpu"] * 3),
        (0, "cpu", 2, ["cpu"] * 2),
        (2, "cpu", 3, ["cpu"] * 3),
        (2, "auto", 1, ["cuda:0"]),
        (8, "auto", 2, ["cuda:0", "cuda:1"]),
        (2, "cuda", 1, ["cuda:0"]),
        (2, "cuda", 2, ["cuda:0", "cuda:1"]),
        (2, "cuda:1", 1, ["cuda:1"]),
        (2, "cuda:01", 1, ["cuda:1"]),
    ],
)
def test_each_process_has_a_gpu_of_its_own_or_all_share_the_cpu(
    machine: Machine, gpus: int, device: str, count: int, names: list[str]
) -> None:
    machine(gpus)
    assert list(resolve_devices(device, count).names) == names


def test_auto_says_what_it_chose_and_why(machine: Machine) -> None:
    machine(0)
    note = "device is auto: cpu, since torch sees no CUDA or ROCm GPU"
    assert resolve_devices().note == note
    machine(2)
    assert resolve_devices().note == "device is auto: cuda:0 (GPU cuda:0)"
    assert resolve_devices("cuda:1").note == ""
    limited = resolve_devices(cpu_only="--engine onnx")
    assert limited.names == ("cpu",)
    assert (
        limited.note == "device is auto: cpu, since --engine onnx computes on the CPU"
    )


@pytest.mark.parametrize(
    ("gpus", "device", "count", "error"),
    [
        (0, "cuda", 1, r"--device is cuda, but torch \S+ .*no GPU here. Give --dev"),
        (0, "cuda:1", 1, r"--device is cuda:1, but torch \S+ .*sees no GPU here"),
        (2, "cuda:7", 1, "torch sees cuda:0 to cuda:1 here. Give --device cuda:1"),
        (1, "cuda:1", 1, "torch sees cuda:0 alone here. Give --device cuda:0"),
        (2, "cuda:1", 2, "is one GPU, but 2 processes need .* --device cuda --devices"),
        (2, "cuda", 3, "3 processes came for 2 GPUs .* Give --devices 2, or --device"),
        (2, "auto", 3, "3 processes came for 2 GPUs"),
        (2, "gpu", 1, "'gpu' is no device: .* For the first GPU: --device cuda"),
        (2, "mps", 1, "'mps' is no device: .* no 64-bit floating point"),
        (2, "cuda:", 1, "'cuda:' is no device: give --device cpu, cuda, cuda:1"),
        (2, "cuda:-1", 1, "'cuda:-1' is no device"),
        (2, "", 1, "'' is no device"),
    ],
)
def test_devices_that_are_not_there_are_refused(
    machine: Machine, gpus: int, device: str, count: int, error: str
) -> None:
    machine(gpus)
    with pytest.raises(UserError, match=error) as caught:
        resolve_devices(device, count)
    assert "\n" not in str(caught.value)


def test_what_needs_the_cpu_is_refused_on_a_gpu(machine: Machine) -> None:
    machine(1)
    for options in ({"engine": "onnx"}, {"shortlist": 5}):
        with pytest.raises(UserError, match="computes on the CPU, not on cuda"):
            Translator.load("run", device="cuda", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("load", [Translator.load, SequenceScorer.load])
def test_the_python_classes_refuse_as_the_commands_do(
    machine: Machine, load: Callable[..., object]
) -> None:
    machine(0)
    with pytest.raises(UserError, match="sees no GPU here"):
        load("run", device="cuda")


@pytest.mark.parametrize(
    "command",
    [
        "train quickstart --output run",
        "doctor quickstart",
        "bench train quickstart",
        "bench translate run",
        "translate run",
        "evaluate run",
        "evaluate run --source in.txt --reference in.txt",
        "evaluate run --source in.txt --reference in.txt --search-sweep a.svg",
        "report run",
        "compare run run",
        "score run --source in.txt --target in.txt",
        "heatmap run word --output out.svg",
        "distill run folder",
    ],
)
def test_every_command_that_computes_takes_a_device(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: str,
) -> None:
    machine(2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("a\n")
    line = ["seq2seq", *command.split(), "--device", "cuda:7"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as end:
        main()
    out, errors = capsys.readouterr()
    assert (end.value.code, out) == (1, "")
    expected = "error: --device is cuda:7, but torch sees cuda:0 to cuda:1 here. "
    assert errors == f"{expected}Give --device cuda:1.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


class TrainerBuiltError(Exception):
    """Ends a training where its Trainer is built."""


@pytest.mark.parametrize(
    ("device", "processes", "accelerator", "devices"),
    [
        ("cpu", 1, "cpu", 1),
        ("cpu", 2, "cpu", 2),
        ("auto", 2, "cuda", [0, 1]),
        ("cuda:1", 1, "cuda", [1]),
    ],
)
def test_lightning_trains_on_the_resolved_devices(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    device: str,
    processes: int,
    accelerator: str,
    devices: object,
) -> None:
    machine(2)
    given: dict[str, object] = {}

    def build(**options: object) -> None:
        given.update(options)
        raise TrainerBuiltError

    monkeypatch.setattr(trainer, "Trainer", build)
    monkeypatch.setattr(precision, "has_bfloat16", lambda name: False)
    changes = ["data.max_pairs=300", "tokenizer.vocab_size=200"]
    recipe = read_recipe("quickstart", changes)
    with pytest.raises(TrainerBuiltError):
        train(
            recipe,
            tmp_path / "run",
            device=device,
            distributed=DistributedConfig(processes),
        )
    assert (given["accelerator"], given["devices"]) == (accelerator, devices)
    said = (
        "device is auto: cuda:0, cuda:1" in RunFolder(tmp_path / "run").log.read_text()
    )
    assert said is (device == "auto")


def test_what_a_run_records_is_the_device_it_computes_on(machine: Machine) -> None:
    machine(2)
    assert hardware_info("cuda:1") == "GPU cuda:1"
    assert "cores" in hardware_info()


def test_bfloat16_is_asked_of_the_gpu_that_trains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    current: list[str] = []

    def select(name: str) -> AbstractContextManager[None]:
        current.append(name)
        return nullcontext()

    monkeypatch.setattr(torch.cuda, "device", select)
    supported = {"including_emulation": True}
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda **options: options != supported
    )
    assert has_bfloat16("cuda:1")
    assert current == ["cuda:1"]
