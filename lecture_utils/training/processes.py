"""One process or several: what `fit` needs so that torchrun needs no second loop."""

import atexit
import os

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lecture_utils import runtime


def place(device: str | torch.device | None) -> tuple[torch.device, int, int]:
    """The device, which process this is, and of how many (1 unless torchrun started them)."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    device = runtime.device() if device is None else torch.device(device)
    if processes == 1:
        return device, 0, 1
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)
    dist.barrier()  # the first process may still be saving what the others are about to load
    return device, dist.get_rank(), processes


def copy_from_first(tensors: list[Tensor]) -> None:
    """The first process's values in all of them, in place."""
    for value in tensors:
        dist.broadcast(value, 0)


def average(loss: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """Mean over the processes: of the gradients in place, of the loss as the result."""
    for p in parameters:
        if p.grad is None:  # unused here, perhaps used in another process
            p.grad = torch.zeros_like(p)
    parts = [loss, *(p.grad for p in parameters)]
    together = torch.cat([part.flatten() for part in parts])  # one message instead of many
    dist.all_reduce(together)
    together /= dist.get_world_size()
    for part, mean in zip(parts, together.split([part.numel() for part in parts])):
        part.copy_(mean.view_as(part))
    return loss


def _leave():
    if dist.is_initialized():
        dist.destroy_process_group()
