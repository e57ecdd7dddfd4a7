"""A run of training that stops anywhere and goes on exactly: weights, optimizer, random states.

`Run` is the run between two steps, `Stream` its place in the batches. One safetensors file: the
tensors in its body, all else as JSON in its header, and there a sha256 of both.
"""

import hashlib
import inspect
import json
import random
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from lecture_utils.training.checkpoints import (
    check_weights,
    put_weights,
    weights,
    write_atomically,
)

_newest: WeakValueDictionary[Path, "Run"] = WeakValueDictionary()
"""The newest run of each file: an older one, kept alive by a variable, must not write over it."""


class Run:
    """How far a run is, what an unfinished step must put back, and the file to go on from.

    path: None for a run without a file. writes: whether this process reports and saves.
    """

    def __init__(
        self,
        path: str | Path | None,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        stream: "Stream",
        *,
        steps: int,
        save_every: int,
        writes: bool,
    ):
        self.path = None if path is None else Path(path).resolve()
        self.model, self.optimizer, self.stream = model, optimizer, stream
        self.save_every, self.writes = save_every, writes
        self.done, self.seconds = 0, 0.0
        if self.path and self.path.is_dir():
            raise IsADirectoryError(f"save_to={str(path)!r} is a folder: name a file in it")
        if self.path and self.path.exists():
            self.done, self.seconds = _resume(self.path, model, optimizer, stream)
            if writes and self.done < steps:
                print(f"going on after step {self.done} of {path}")
            elif writes:
                print(f"{path} has {self.done} steps already: none is left of steps={steps}")
        if self.path and writes and self.done < steps:
            _check_folder(self.path)
        if self.path:
            _newest[self.path] = self
        self._saved = self.done
        self._buffers, self._before, self._moment = _buffers(model), (), None

    def begin(self) -> None:
        """Before a step: save if it is time, and note what the step must put back if it fails."""
        if self.path:
            if not self._is_newest():
                raise RuntimeError(
                    f"a newer run has taken over {self.path}: iterate over that one, or give "
                    "each run a file of its own"
                )
            if self.done - self._saved >= self.save_every:
                self._save()  # not after the step: what the consumer drew at random is in it
            self._moment = self.stream.moment()
        self._before = [buffer.clone() for buffer in self._buffers]

    def finish(self) -> None:
        """After the optimizer's step, with which it must happen together."""
        self.done += 1
        self._moment, self._before = None, ()

    def give_up(self) -> None:
        """Leave the file alone: going on from here would end here again."""
        self._saved = self.done

    def close(self) -> None:
        """Undo an unfinished step, and save the finished ones."""
        for buffer, value in zip(self._buffers, self._before):
            buffer.copy_(value)
        if self.path and self.done > self._saved and self._is_newest():
            self._save()

    def _is_newest(self) -> bool:
        return _newest.get(self.path) is self

    def _save(self) -> None:
        self._saved = self.done  # first, so that a save that failed is not tried again
        if self.writes:
            moment = self._moment or self.stream.moment()
            with interrupt_held_back():
                _write(self.path, self.model, self.optimizer, self.done, self.seconds, moment)


class Stream:
    """An endless stream of batches that can say where it is, and go there again."""

    def __init__(self, batches: Iterable, device: torch.device, remember: bool):
        self.batches, self.device, self.remember = batches, device, remember
        self.once = isinstance(batches, Iterator)
        self.epoch = iter(batches) if self.once else None
        self.epoch_began = None  # random states when this pass through the batches began
        self.taken = 0  # in this pass

    def take(self, rank: int, processes: int, done: int, steps: int) -> Any:
        """This process's batch of the step after `done`; the other processes take the others."""
        return [self._next(done, steps) for _ in range(processes)][rank]

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

    def check(self, moment: dict) -> None:
        """ValueError where these batches cannot go on from this moment."""
        if moment["taken"] and self.once != (moment["epoch_began"] is None):
            raise ValueError(
                f"this run drew from {'a list or the like' if self.once else 'an iterator'} "
                "when it was saved: give it the same batches, or delete the file to start "
                "from the beginning"
            )
        if moment["taken"] and self.once and _has_begun(self.batches):
            raise ValueError(
                "these batches have been drawn from already: make the generator anew to go "
                "on with a saved run"
            )

    def go_to(self, moment: dict) -> None:
        """Back to a `moment` of an earlier process: the batches before it are drawn again."""
        if moment["taken"]:
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


@contextmanager
def interrupt_held_back():
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


# The file --------------------------------------------------------------------------------------


def _write(path, model, optimizer, done, seconds, moment) -> None:
    tensors = {f"model.{name}": value for name, value in weights(model).items()}
    places = _places(model, optimizer)
    kept, numbers = optimizer.state_dict()["state"], {}
    for name, place in places.items():
        for key, value in kept.get(place, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{name}/{key}"] = value
            else:
                numbers.setdefault(name, {})[key] = value
    tensors = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    run = {
        "done": done,
        "seconds": seconds,
        "optimizer": type(optimizer).__name__,
        "parameters": list(places),
        "numbers": numbers,
        "moment": moment,
    }
    text = json.dumps(run, default=lambda array: array.tolist())
    header = {"run": text, "sha256": _digest(text, tensors)}
    write_atomically({path: safetensors.torch.save(tensors, header)})


def _resume(path, model, optimizer, stream) -> tuple[int, float]:
    """Put a saved run back; returns its steps and seconds. What is refused changes nothing."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata()
            # clone: they are windows on the file, which the next save replaces
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        if header["sha256"] != _digest(header["run"], tensors):
            raise ValueError("it was changed after it was saved")
        run = json.loads(header["run"])
        done, seconds, moment = int(run["done"]), float(run["seconds"]), dict(run["moment"])
        kind, names, states = run["optimizer"], set(run["parameters"]), dict(run["numbers"])
    except (safetensors.SafetensorError, TypeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is not a run that fit saved, or it is damaged ({error}). Delete it to start "
            "from the beginning."
        ) from error
    if kind != type(optimizer).__name__:
        raise ValueError(
            f"{path} was trained with {kind}, not {type(optimizer).__name__}: use the "
            "same optimizer, or delete the file to start from the beginning"
        )
    source = f"{path} (delete it to start from the beginning)"
    saved = {key.removeprefix("model."): t for key, t in tensors.items() if key[:6] == "model."}
    check_weights(model, saved, source)
    places = _places(model, optimizer)
    if others := sorted(names ^ places.keys()):
        raise ValueError(
            f"{path} was trained with another choice of parameters ({', '.join(others[:3])} "
            "differ): give the optimizer the same, or delete the file to start from the beginning"
        )
    stream.check(moment)

    stream.go_to(moment)  # first, as it draws batches: their trouble leaves the model as it is
    for key in tensors.keys() - {f"model.{name}" for name in saved}:
        name, _, what = key.removeprefix("optimizer.").rpartition("/")
        states.setdefault(name, {})[what] = tensors[key]
    # The call's own learning rate and betas stay: only what was accumulated comes from the file.
    state = {places[name]: values for name, values in states.items()}
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    put_weights(model, saved, source)
    return done, seconds


def _places(model, optimizer) -> dict[str, int]:
    """Name of each optimized parameter: the number under which the optimizer keeps its state."""
    names = {p: name for name, p in model.named_parameters()}
    optimized = [p for group in optimizer.param_groups for p in group["params"]]
    return {names[p]: place for place, p in enumerate(optimized)}


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    """safetensors itself notices a file that is too short, not one that changed."""
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _check_folder(path) -> None:
    """Better now than after the first thousand steps."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write {path}: {error.strerror or error}. Choose a file in a folder that can "
            "be written",
        ) from error


def _buffers(model) -> list[Tensor]:
    """Running means and the like: a forward pass changes them, even one that fails."""
    parameters = {name for name, _ in model.named_parameters()}
    return [value for name, value in weights(model).items() if name not in parameters]


def _has_begun(batches: Iterator) -> bool:
    """Only generators can tell; other iterators are taken at their word."""
    return (
        inspect.isgenerator(batches) and inspect.getgeneratorstate(batches) != inspect.GEN_CREATED
    )
