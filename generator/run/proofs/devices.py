"""Devices: which exist, which errors mean that one can't run a network, and freeing memory."""

from __future__ import annotations

import gc

import torch

OF_THE_MACHINE = ("cpu", "meta")  # devices that have every operation
_LACKING = (
    "not implemented for",
    "expected scalar type",
    "doesn't support",
    "not supported on",
    "no kernel image",
)
_FULL = (
    "can't allocate memory",
    "out of memory",
    "ALLOC_FAILED",
    "Invalid buffer size",
    "unable to find an engine",  # cuDNN's workspace did not fit
)


class MissingDevice(Exception):
    """The wanted device does not exist, or can't be used."""


def find_devices(wanted: str) -> list[str]:
    """The devices to run on; ``auto`` is the best one, ``all`` is each.

    Raises `MissingDevice` for a device that does not exist.
    """
    # torch counts the devices of a driver that is too old, but can't use them
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cuda = [f"cuda:{index}" for index in range(count)]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    if wanted == "all":
        return ["cpu", *cuda, *mps]
    if wanted == "auto":
        return ["cuda"] if cuda else (mps or ["cpu"])
    there = ["cpu", "meta", *(["cuda"] if cuda else []), *cuda, *mps]
    if wanted not in there:
        known = ", ".join(f"`{name}`" for name in there)
        raise MissingDevice(f"the device `{wanted}` is not there; {known} are")
    return [wanted]


def check_usable(device: str) -> None:
    """Raise `MissingDevice` for a device that can't compute, as when torch is not built for it."""
    if device in OF_THE_MACHINE:
        return
    try:
        torch.ones(1, device=device).add(1).item()
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise MissingDevice(f"the device `{device}` can't be used: {reason[:300]}") from None


def is_lacking(error: Exception, device: str) -> bool:
    """Whether an error means that the device lacks an operation, or lacks it for a `dtype`."""
    known = isinstance(error, NotImplementedError) or any(x in str(error) for x in _LACKING)
    return device not in OF_THE_MACHINE and known


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory ran out; some can only be told by their text."""
    known = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, known) or any(text in str(error) for text in _FULL)


def is_lost(device: str) -> bool:
    """Whether an earlier error has left a GPU unusable to this process."""
    try:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
    except Exception:
        return True
    return False


def leave(device: str) -> None:
    """Free the cached memory of a device, which other processes may need."""
    if device in OF_THE_MACHINE:
        return
    gc.collect()
    if device.startswith("cuda") and not is_lost(device):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
