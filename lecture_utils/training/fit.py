"""One training loop for the whole course: a generator, so that the notebook is the callback.

    for step in fit(model, batches, loss=loss, steps=2000, lr=3e-3, clip=1.0):
        if step.index % 100 == 0:
            print(step.index, step.loss)

One step, w the weights:

    L   = loss(model, batch)
    g   = dL / dw                              averaged over the processes of torchrun
    |g| = sqrt(sum of g^2)                     over all that is trained: Step.grad_norm
    g   = g min(1, clip / |g|)                 Pascanu, Mikolov, Bengio 2013, algorithm 1
    w   = optimizer(w, g, lr schedule(index))
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from lecture_utils.training.checkpoints import weights
from lecture_utils.training.processes import average, copy_from_first, place
from lecture_utils.training.resume import Run, Stream, interrupt_held_back

PROGRESS_VARIABLE = "LECTURE_PROGRESS"


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of training did."""

    index: int  # from 1
    loss: float  # before this step's update
    grad_norm: float  # before clipping
    lr: float  # of the optimizer's first group
    seconds: float  # spent in steps so far; the consumer's own time is not counted


def fit(
    model: nn.Module,
    batches: Iterable,
    *,
    loss: Callable[[nn.Module, Any], Tensor],
    steps: int,
    optimizer: torch.optim.Optimizer | None = None,
    lr: float | None = None,
    clip: float | None = None,
    schedule: Callable[[int], float] | None = None,
    mixed_precision: bool | None = None,
    device: str | torch.device | None = None,
    progress: bool | None = None,
    save_to: str | Path | None = None,
    save_every: int = 1000,
) -> Iterator[Step]:
    """Train `model` in place, yielding a `Step` after each update; nothing happens until iterated.

    batches: gone through again and again. A list or DataLoader is best; an iterator must not run
        dry. `to_device` moves them to the device.
    loss(model, batch): a scalar tensor.
    steps: in all, those of a resumed run included.
    optimizer: Adam with `lr` (default 1e-3) unless given; then its own learning rate counts, and
        only the parameters it holds are trained.
    clip: largest global norm of the gradient; None leaves it alone.
    schedule(index): factor on the learning rate of step `index`, which counts from 1.
    mixed_precision: bfloat16 autocast; None means on CUDA where the chip has it.
    device: else the environment variable LECTURE_DEVICE, else CUDA, MPS, CPU. The model stays
        there afterwards; it trains in train mode and ends in the mode it came in.
    progress: a bar for what takes more than a second; None means in a notebook or a terminal.
        LECTURE_PROGRESS=0 switches it off everywhere: whoever stores or compares notebooks sets
        it, because a bar depends on the clock.
    save_to: file for everything a run is made of; if it exists, the run goes on from there and
        says so, and an older run still open on that file saves no more. On the CPU 10 steps, a
        fresh process and 10 more give the same bits as 20 steps, if the call is the same and the
        batches start the same: an iterator must be a new one and draw from a generator of its
        own.
    save_every: steps between saves; the end, an interrupt and a `break` save as well.

    FloatingPointError when the loss or the gradient is not finite; the model keeps the weights
    from before that step, the file its last save. After an interrupt (Ctrl-C, the stop button)
    model and file hold all finished steps. Before the first step: ValueError, with the model as
    it was, for a file that is damaged or of another run; OSError for one that cannot be written.

    Under torchrun each process takes its share of the same batches, and only the first one
    shows progress and saves. All must leave the loop at the same step: Step.loss is their mean,
    so a decision that depends on it is the same in each.
    """
    _at_least_one(steps=steps, save_every=save_every)
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is {clip}: give a positive norm, or None to leave gradients alone")
    device, rank, processes = place(device)
    model.to(device)
    optimizer = _optimizer(model, optimizer, lr)
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    rates = [group["lr"] for group in optimizer.param_groups]
    modes = [(module, module.training) for module in model.modules()]
    if mixed_precision is None:
        mixed_precision = _has_bfloat16(device)
    precision = torch.autocast(device.type, torch.bfloat16) if mixed_precision else nullcontext()
    stream = Stream(batches, device, remember=save_to is not None)
    first = rank == 0
    run = Run(save_to, model, optimizer, stream, steps=steps, save_every=save_every, writes=first)
    if processes > 1:
        copy_from_first(list(weights(model).values()))
    bar = _bar(progress, steps, run.done, shown=first)
    try:
        while run.done < steps:
            run.begin()
            start = perf_counter()
            if schedule:
                factor = _factor(schedule, run.done + 1)
                for group, rate in zip(optimizer.param_groups, rates):
                    group["lr"] = rate * factor
            if not model.training:  # the consumer may have sampled from it
                model.train()

            batch = to_device(stream.take(rank, processes, run.done, steps), device)
            model.zero_grad()  # all of it, as the optimizer may hold only a part
            with precision:
                value = _scalar(loss(model, batch))
            value.backward()
            value = value.detach()
            if processes > 1:
                value = average(value, trained)
            norm = nn.utils.clip_grad_norm_(trained, math.inf if clip is None else clip)
            value, norm = value.item(), norm.item()
            if not (math.isfinite(value) and math.isfinite(norm)):
                run.give_up()
                raise FloatingPointError(
                    f"step {run.done + 1}: the loss is {value}, the gradient norm {norm}. The "
                    f"model keeps its weights from after step {run.done}. Lower the learning "
                    "rate, clip the gradient, or look at this batch."
                )
            with interrupt_held_back():
                optimizer.step()
                run.finish()
            run.seconds += perf_counter() - start
            bar.set_postfix_str(f"loss {value:.4g}", refresh=False)
            bar.update()
            yield Step(run.done, value, norm, optimizer.param_groups[0]["lr"], run.seconds)
    finally:
        bar.close()
        for module, mode in modes:
            module.training = mode
        if schedule:  # or the next fit with this optimizer would start from the scheduled rate
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate
        run.close()


def to_device(batch: Any, device: str | torch.device) -> Any:
    """A batch on the device: what has a `.to`, also inside tuples, lists and dicts."""
    if hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a named tuple
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def _optimizer(model, optimizer, lr) -> torch.optim.Optimizer:
    mine = list(model.parameters())
    if not any(p.requires_grad for p in mine):
        raise ValueError(f"{type(model).__name__} has no parameter that can be trained")
    if optimizer is None:
        return torch.optim.Adam((p for p in mine if p.requires_grad), 1e-3 if lr is None else lr)
    if lr is not None:
        raise ValueError(f"lr={lr} and an optimizer with its own: give one of the two")
    known = {id(p) for p in mine}
    if any(id(p) not in known for group in optimizer.param_groups for p in group["params"]):
        raise ValueError(
            "the optimizer holds parameters of another model: make it after the model it trains"
        )
    return optimizer


def _scalar(value) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"loss gave a {type(value).__name__}: return a tensor (no .item() yet)")
    if value.numel() != 1:
        raise ValueError(f"loss gave shape {tuple(value.shape)}: return one number, say .mean()")
    if not value.requires_grad:
        raise ValueError("the loss does not depend on a trainable weight: was it detached?")
    return value


def _factor(schedule, index: int) -> float:
    factor = schedule(index)
    if not (math.isfinite(factor) and factor >= 0):
        raise ValueError(f"schedule({index}) is {factor}: give a factor of 0 or more")
    return factor


def _at_least_one(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} is {number}: at least 1 is needed")


def _has_bfloat16(device: torch.device) -> bool:
    """Not counting chips that emulate it, as a T4 does: there it is slower than float32."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def with_bar(items: Iterable, unit: str, total: int | None = None) -> Iterable:
    """The items, with a bar like that of `fit`, for any other loop of more than a second."""
    return tqdm(items, total=total, unit=unit, delay=1.0, leave=False, disable=_hidden(None))


def _bar(progress: bool | None, steps: int, done: int, shown: bool) -> tqdm:
    hidden = _hidden(progress) if shown else True
    done = min(done, steps)
    return tqdm(total=steps, initial=done, unit="step", delay=1.0, leave=False, disable=hidden)


def _hidden(progress):
    if os.environ.get(PROGRESS_VARIABLE) == "0":
        return True
    return None if progress is None else not progress  # None: tqdm looks for a terminal
