"""One training loop for the whole course: a generator, so that the notebook is the callback.

    for step in fit(model, batches, loss=loss, steps=2000, lr=3e-3, clip=1.0):
        if step.index % 100 == 0:
            print(step.index, step.loss)

One step, w the weights:

    L   = loss(model, batch)
    g   = dL / dw                              averaged over the processes of torchrun
    |g| = sqrt(sum of g^2)                     over all weights together: Step.grad_norm
    g   = g min(1, clip / |g|)                 Pascanu, Mikolov, Bengio 2013, algorithm 1
    w   = optimizer(w, g, lr schedule(index))
"""

import atexit
import inspect
import json
import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm.auto import tqdm

from lecture_utils import runtime
from lecture_utils.training.checkpoints import put_weights, weights, write_atomically

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
        dry. Tensors inside tuples, lists and dicts are moved to the device.
    loss(model, batch): a scalar tensor.
    steps: in all, those of a resumed run included.
    optimizer: Adam with `lr` (default 1e-3) unless given; then its own learning rate counts.
    clip: largest global norm of the gradient; None leaves it alone.
    schedule(index): factor on the learning rate of step `index`, which counts from 1.
    mixed_precision: bfloat16 autocast; None means on CUDA where the chip has it.
    device: else the environment variable LECTURE_DEVICE, else CUDA, MPS, CPU. The model stays
        there afterwards.
    progress: a bar for what takes more than a second; None means in a notebook or a terminal.
        LECTURE_PROGRESS=0 switches it off everywhere: whoever stores or compares notebooks sets
        it, because a bar depends on the clock.
    save_to: file for everything a run is made of; if it exists, the run goes on from there. On
        the CPU 10 steps, a fresh process and 10 more give the same bits as 20 steps, if the call
        is the same and the batches start the same: an iterator must be a new one and draw from a
        generator of its own.
    save_every: steps between saves; the end, an interrupt and a `break` save as well.

    FloatingPointError when the loss or the gradient is not finite; the model keeps the weights
    from before that step, the file its last save. After an interrupt (Ctrl-C, the stop button)
    model and file hold all finished steps.

    Under torchrun each process takes its share of the same batches, and only the first one
    shows progress and saves. All must leave the loop at the same step: Step.loss is their mean,
    so a decision that depends on it is the same in each.
    """
    _at_least_one(steps=steps, save_every=save_every)
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is {clip}: give a positive norm, or None to leave gradients alone")
    device, rank, processes = _place(device)
    model.to(device)
    optimizer = _optimizer(model, optimizer, lr)
    rates = [group["lr"] for group in optimizer.param_groups]
    parameters = [p for p in model.parameters() if p.requires_grad]
    buffers = _buffers(model)
    path = None if save_to is None else Path(save_to)
    stream = _Stream(batches, device, remember=path is not None)
    if mixed_precision is None:
        mixed_precision = device.type == "cuda" and torch.cuda.is_bf16_supported()

    done, seconds = 0, 0.0
    if path and path.exists():
        done, seconds = _resume(path, model, optimizer, stream)
    if processes > 1:
        for value in weights(model).values():
            dist.broadcast(value, 0)
    saved = done
    # What an unfinished step must put back; empty between steps.
    moment, buffers_before = None, ()

    def save():
        nonlocal saved
        saved = done  # first, so that a save that failed is not tried again on the way out
        if rank == 0:
            with _interrupt_held_back():
                _save(path, model, optimizer, done, seconds, moment or stream.moment())

    bar = tqdm(
        total=steps,
        initial=min(done, steps),
        unit="step",
        delay=1.0,
        leave=False,
        disable=_hidden(progress) if rank == 0 else True,
    )
    try:
        while done < steps:
            if path and done - saved >= save_every:
                save()  # here, not before the yield: what the consumer drew at random is in it
            start = time.perf_counter()
            moment = stream.moment() if path else None
            buffers_before = [b.clone() for b in buffers]
            if schedule:
                factor = _factor(schedule, done + 1)
                for group, rate in zip(optimizer.param_groups, rates):
                    group["lr"] = rate * factor
            if not model.training:  # the consumer may have sampled from it
                model.train()

            batch = stream.take(rank, processes, done, steps)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16) if mixed_precision else nullcontext():
                value = _scalar(loss(model, batch))
            value.backward()
            value = value.detach()
            if processes > 1:
                value = _average(value, parameters)
            norm = nn.utils.clip_grad_norm_(parameters, math.inf if clip is None else clip)
            value, norm = value.item(), norm.item()
            if not (math.isfinite(value) and math.isfinite(norm)):
                saved = done  # leave the file alone: going on from here would end here again
                raise FloatingPointError(
                    f"step {done + 1}: the loss is {value}, the gradient norm {norm}. The model "
                    f"keeps its weights from after step {done}. Lower the learning rate, clip the "
                    "gradient, or look at this batch."
                )
            with _interrupt_held_back():
                optimizer.step()
                done, moment, buffers_before = done + 1, None, ()
            seconds += time.perf_counter() - start
            bar.set_postfix_str(f"loss {value:.4g}", refresh=False)
            bar.update()
            yield Step(done, value, norm, optimizer.param_groups[0]["lr"], seconds)
    finally:
        bar.close()
        for buffer, value in zip(buffers, buffers_before):
            buffer.copy_(value)
        if schedule:  # or the next fit with this optimizer would start from the scheduled rate
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate
        if path and done > saved:
            save()


class _Stream:
    """An endless stream of batches that can say where it is, and go there again."""

    def __init__(self, batches: Iterable, device: torch.device, remember: bool):
        self.batches, self.device, self.remember = batches, device, remember
        self.once = isinstance(batches, Iterator)
        self.epoch = iter(batches) if self.once else None
        self.epoch_began = None  # random states when this pass through the batches began
        self.taken = 0  # in this pass

    def take(self, rank: int, processes: int, done: int, steps: int):
        """This process's batch of the next step, on the device."""
        for turn in range(processes):
            batch = self._next(done, steps)
            if turn == rank:
                mine = batch
        return _to(mine, self.device)

    def _next(self, done, steps):
        if self.epoch is None:
            self._begin()
        for batch in self.epoch:
            self.taken += 1
            return batch
        if self.once:
            raise ValueError(
                f"the batches ran dry after step {done} of {steps}: pass a list, a DataLoader or "
                "an iterator that never ends"
            )
        if self.taken == 0:
            raise ValueError("there is not a single batch in batches")
        self.epoch = None
        return self._next(done, steps)

    def _begin(self):
        if self.remember:  # a DataLoader draws its order when the pass begins
            self.epoch_began = self._random_states()
        self.epoch, self.taken = iter(self.batches), 0

    def moment(self) -> dict:
        """All that the next step draws from: random states and the place in the batches."""
        return {
            "random": self._random_states(),
            "epoch_began": self.epoch_began,
            "taken": self.taken,
        }

    def go_to(self, moment: dict) -> None:
        """Back to a `moment` of an earlier process: the batches before it are drawn again."""
        if moment["taken"]:
            if self.once != (moment["epoch_began"] is None):
                raise ValueError(
                    f"this run drew from {'a list or the like' if self.once else 'an iterator'} "
                    "when it was saved: give it the same batches, or delete the file to start "
                    "from the beginning"
                )
            if self.once and _has_begun(self.batches):
                raise ValueError(
                    "these batches have been drawn from already: make the generator anew to go "
                    "on with a saved run"
                )
            if not self.once:
                self._set_random_states(moment["epoch_began"])
                self._begin()
            for _ in range(moment["taken"]):
                next(self.epoch, None)
            self.taken = moment["taken"]
        self._set_random_states(moment["random"])

    def _random_states(self) -> dict:
        states = {
            "python": random.getstate(),
            "numpy": np.random.get_state(legacy=False),
            "torch": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        if isinstance(self._generator, torch.Generator):
            states["batches"] = self._generator.get_state()
        return states

    def _set_random_states(self, states: dict) -> None:
        version, numbers, gauss = states["python"]
        random.setstate((version, tuple(numbers), gauss))
        np.random.set_state(states["numpy"])
        torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))
        if self.device.type == "cuda" and "cuda" in states:
            torch.cuda.set_rng_state(torch.tensor(states["cuda"], dtype=torch.uint8), self.device)
        if isinstance(self._generator, torch.Generator) and "batches" in states:
            self._generator.set_state(torch.tensor(states["batches"], dtype=torch.uint8))

    @property
    def _generator(self):
        return getattr(self.batches, "generator", None)  # a DataLoader may have one of its own


def _has_begun(batches: Iterator) -> bool:
    """Only generators can tell; other iterators are taken at their word."""
    return (
        inspect.isgenerator(batches)
        and inspect.getgeneratorstate(batches) != inspect.GEN_CREATED
    )


def _save(path, model, optimizer, done, seconds, moment) -> None:
    """One safetensors file: tensors in its body, the rest as JSON in its header."""
    tensors = {f"model.{name}": value for name, value in weights(model).items()}
    numbers = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            else:
                numbers[f"optimizer.{index}.{name}"] = value
    run = {
        "done": done,
        "seconds": seconds,
        "optimizer": type(optimizer).__name__,
        "numbers": numbers,
        "moment": moment,
    }
    tensors = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    header = {"run": json.dumps(run, default=lambda array: array.tolist())}
    write_atomically({path: safetensors.torch.save(tensors, header)})


def _resume(path, model, optimizer, stream) -> tuple[int, float]:
    """Put a saved run back; returns its steps and seconds."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            run = json.loads(file.metadata()["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (safetensors.SafetensorError, TypeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is not a run that fit saved, or it is damaged ({error}). Delete it to start "
            "from the beginning."
        ) from error
    if run["optimizer"] != type(optimizer).__name__:
        raise ValueError(
            f"{path} was trained with {run['optimizer']}, not {type(optimizer).__name__}: use the "
            "same optimizer, or delete the file to start from the beginning"
        )
    saved = {key[len("model.") :]: t for key, t in tensors.items() if key.startswith("model.")}
    put_weights(model, saved, f"{path} (delete it to start from the beginning)")
    state = {}
    for key, value in (tensors | run["numbers"]).items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    # The call's own learning rate and betas stay: only what was accumulated comes from the file.
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    stream.go_to(run["moment"])
    return run["done"], run["seconds"]


def _place(device) -> tuple[torch.device, int, int]:
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


def _leave():
    if dist.is_initialized():
        dist.destroy_process_group()


def _average(loss: Tensor, parameters: list[nn.Parameter]) -> Tensor:
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


def _buffers(model) -> list[Tensor]:
    """Running means and the like: a forward pass changes them, even one that fails."""
    parameters = {name for name, _ in model.named_parameters()}
    return [value for name, value in weights(model).items() if name not in parameters]


def _to(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: _to(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a named tuple
        return type(batch)(*(_to(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(_to(value, device) for value in batch)
    return batch


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


def _hidden(progress: bool | None) -> bool | None:
    """tqdm's `disable`: None lets tqdm hide the bar where nobody watches (a pipe, a log)."""
    if os.environ.get(PROGRESS_VARIABLE) == "0":
        return True
    return None if progress is None else not progress


@contextmanager
def _interrupt_held_back():
    """Ctrl-C waits for a moment: half an update is neither the old nor the new weights."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    held = []
    signal.signal(signal.SIGINT, lambda *args: held.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if held:
        handler(*held[-1])
