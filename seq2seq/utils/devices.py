"""Where to compute: a name such as cuda:1 or auto, resolved to devices that exist."""

from __future__ import annotations

import re
from typing import NamedTuple

from seq2seq.errors import UserError


class Devices(NamedTuple):
    """Devices to compute on, as torch names them.

    Attributes:
        names: One for each process of this machine: cpu, or cuda:0, cuda:1 and so on.
        note: What auto chose and why, in one line; empty if the device was named.
    """

    names: tuple[str, ...]
    note: str = ""


def resolve_devices(
    device: str = "auto", count: int = 1, *, cpu_only: str = ""
) -> Devices:
    """Resolve the option --device, beside the option --devices.

    Args:
        device: cpu; cuda, the first GPUs; cuda:1, the second GPU alone; auto, GPUs if
            torch sees any, or else the CPU. ROCm's GPUs are called cuda as well.
        count: Number of processes on this machine. Each has a GPU of its own, or all
            share the CPU.
        cpu_only: What computes on the CPU alone, such as --engine onnx; empty if
            nothing does.

    Raises:
        UserError: If there is no such device, there are fewer than processes, or the
            options contradict each other.
    """
    if re.fullmatch(r"auto|cpu|cuda(:\d+)?", device) is None:
        raise UserError(
            f"{device!r} is no device: give --device cpu, cuda, cuda:1 (the second "
            f"GPU) or auto.{_hint(device)}"
        )
    if device == "cpu":
        return Devices(("cpu",) * count)
    if cpu_only:
        if device == "auto":
            why = f"{cpu_only} computes on the CPU"
            return Devices(("cpu",) * count, f"device is auto: cpu, since {why}")
        raise UserError(
            f"{cpu_only} computes on the CPU, not on {device}. Give --device cpu, or "
            f"leave {cpu_only} out."
        )
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not gpus:
        if device == "auto":
            return Devices(
                ("cpu",) * count,
                "device is auto: cpu, since torch sees no CUDA or ROCm GPU",
            )
        build = "" if torch.version.cuda or torch.version.hip else ", built for CPUs,"
        raise UserError(
            f"--device is {device}, but torch {torch.__version__}{build} sees no GPU "
            "here. Give --device cpu, or install a build of torch that fits the GPU."
        )
    _, colon, index = device.partition(":")
    if colon:
        if count > 1:
            raise UserError(
                f"--device {device} is one GPU, but {count} processes need one each. "
                f"Give --device cuda --devices {count}, or --devices 1."
            )
        if int(index) >= gpus:
            last = f" to cuda:{gpus - 1}" if gpus > 1 else " alone"
            raise UserError(
                f"--device is {device}, but torch sees cuda:0{last} here. Give "
                f"--device cuda:{gpus - 1}."
            )
        return Devices((f"cuda:{int(index)}",))
    if count > gpus:
        raise UserError(
            f"{count} processes came for {gpus} GPUs on this machine; each needs one "
            f"of its own. Give --devices {gpus}, or --device cpu."
        )
    names = tuple(f"cuda:{number}" for number in range(count))
    if device == "cuda":
        return Devices(names)
    models = dict.fromkeys(torch.cuda.get_device_name(name) for name in names)
    return Devices(names, f"device is auto: {', '.join(names)} ({', '.join(models)})")


def _hint(device: str) -> str:
    """Return what to give in place of another program's name of a device."""
    if device.startswith("mps"):
        return " Apple's GPUs have no 64-bit floating point, which searches need."
    if device in {"gpu", "GPU"}:
        return " For the first GPU: --device cuda."
    return ""


def has_bfloat16(device: str) -> bool:
    """Whether a GPU, cuda:0 and so on, or the processor multiplies bfloat16."""
    import torch

    if device != "cpu":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Internal to torch; torch.cpu.get_capabilities is public, but missing before 2.13.
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)
