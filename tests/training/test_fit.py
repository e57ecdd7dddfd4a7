"""The loop: the numbers of a loop by hand, nothing lost when it stops, exact when it resumes."""

import dataclasses
import errno
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lecture_utils.training import fit as fit_module
from lecture_utils.training import resume
from lecture_utils.training.fit import fit, to_device

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def on_the_cpu_in_peace(monkeypatch):
    monkeypatch.setenv("LECTURE_DEVICE", "cpu")
    monkeypatch.setenv("LECTURE_PROGRESS", "0")


def small_model(seed=0, *extra):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), *extra, nn.Linear(5, 2))


def some_batches(count=3):
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(7, 3, generator=generator), torch.randn(7, 2, generator=generator))
        for _ in range(count)
    ]


def mse(model, batch):
    x, y = batch
    return nn.functional.mse_loss(model(x), y)


def run(model, batches=None, **options):
    options = {"loss": mse, "steps": 5, **options}
    return list(fit(model, batches or some_batches(), **options))


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# What a step is --------------------------------------------------------------------------------


def test_equals_the_loop_by_hand_bit_for_bit():
    model, batches = small_model(), some_batches()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses, norms = [], []
    for i in range(7):
        optimizer.zero_grad()
        value = mse(model, batches[i % 3])
        value.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 0.3).item())
        optimizer.step()
        losses.append(value.item())

    ours = small_model()
    steps = run(ours, steps=7, lr=0.01, clip=0.3)
    assert [s.loss for s in steps] == losses
    assert [s.grad_norm for s in steps] == norms
    assert max(norms) > 0.3  # so that the clipping was seen
    assert same_weights(ours, model)


def test_without_clip_gradients_are_left_alone():
    model, batch = small_model(), some_batches()[0]
    mse(model, batch).backward()
    expected = [p.grad.clone() for p in model.parameters()]
    run(model, [batch], steps=1)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), expected))


def test_step_counts_from_one_and_cannot_be_changed():
    steps = run(small_model(), lr=0.5)
    assert [s.index for s in steps] == [1, 2, 3, 4, 5]
    assert {s.lr for s in steps} == {0.5}
    seconds = [s.seconds for s in steps]
    assert 0 < seconds[0] and seconds == sorted(seconds)
    with pytest.raises(dataclasses.FrozenInstanceError):
        steps[0].loss = 0.0


def test_learns():
    x = torch.linspace(-1, 1, 64)[:, None].expand(64, 3)
    batch = x, torch.stack((x[:, 0].sin(), x[:, 0] ** 2), 1)
    *_, last = run(small_model(), [batch], steps=300, lr=0.03)
    assert last.loss < 1e-3


def test_schedule_scales_the_rate_and_leaves_the_optimizer_as_it_was():
    model = small_model()
    optimizer = torch.optim.SGD(
        [
            {"params": model[0].parameters(), "lr": 0.5},
            {"params": model[2].parameters(), "lr": 0.0},
        ]
    )
    before = [p.clone() for p in model[2].parameters()]
    seen = []
    steps = run(
        model,
        steps=4,
        optimizer=optimizer,
        schedule=lambda index: seen.append(index) or 1 / index,
    )
    assert seen == [1, 2, 3, 4]
    assert [s.lr for s in steps] == [0.5 / index for index in seen]
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.0]
    assert all(torch.equal(a, b) for a, b in zip(before, model[2].parameters()))


def test_model_trains_in_train_mode_again_after_the_consumer_sampled():
    modes = []

    def loss(model, batch):
        modes.append(model.training)
        return mse(model, batch)

    model = small_model().eval()
    for _ in fit(model, some_batches(), loss=loss, steps=3):
        model.eval()
    assert modes == [True] * 3


@pytest.mark.parametrize("steps", [2, 9])  # to the end, or a break
@pytest.mark.parametrize("mode", [True, False])
def test_the_model_ends_in_the_mode_it_came_in(mode, steps):
    model = small_model(0, nn.BatchNorm1d(5)).train(mode)
    model[2].eval()  # a part that is frozen
    for step in fit(model, some_batches(), loss=mse, steps=steps):
        if step.index == 2:
            break
    assert [module.training for module in model] == [mode, mode, False, mode]
    assert model.training == mode


def test_only_what_the_optimizer_holds_is_trained_counted_and_clipped():
    """The gradients of the others would grow from step to step, and shrink those with `clip`."""
    by_hand, batches = small_model(), some_batches()
    sgd, norms = torch.optim.SGD(by_hand[2].parameters(), 0.1), []
    for i in range(6):
        by_hand.zero_grad()
        mse(by_hand, batches[i % 3]).backward()
        norms.append(nn.utils.clip_grad_norm_(by_hand[2].parameters(), 0.3).item())
        sgd.step()

    model = small_model()
    model[0].weight.grad = torch.full_like(model[0].weight, 1e6)  # left from before
    optimizer = torch.optim.SGD(model[2].parameters(), 0.1)
    steps = run(model, batches, steps=6, optimizer=optimizer, clip=0.3)
    assert [s.grad_norm for s in steps] == norms
    assert same_weights(model, by_hand)
    assert torch.equal(model[0].weight.grad, by_hand[0].weight.grad)  # of one step, not of six


def test_bfloat16_that_is_only_emulated_does_not_count(monkeypatch):
    def as_on_a_t4(including_emulation=True):
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", as_on_a_t4)
    assert not fit_module._has_bfloat16(torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert fit_module._has_bfloat16(torch.device("cuda"))
    assert not fit_module._has_bfloat16(torch.device("cpu"))


def test_batches_move_whatever_they_are_packed_in(monkeypatch):
    moved = []
    monkeypatch.setattr(
        torch.Tensor, "to", lambda self, device: moved.append(device) or self, raising=True
    )
    Pair = namedtuple("Pair", "x y")
    t = torch.zeros(2)
    device = torch.device("cpu")
    packed = to_device({"a": (t, [t, "text"]), "b": Pair(t, 3)}, device)
    assert moved == [device] * 3
    assert packed == {"a": (t, [t, "text"]), "b": Pair(t, 3)}
    assert type(packed["b"]) is Pair


def test_anything_that_has_a_to_is_moved():
    class Scenes:
        def to(self, device):
            return f"on {device}"

    assert to_device([Scenes(), {"x": Scenes()}, 1], "cpu") == ["on cpu", {"x": "on cpu"}, 1]
    sequences = nn.utils.rnn.pack_sequence([torch.ones(2), torch.ones(1)])  # a tuple with a `.to`
    assert to_device(sequences, "meta").data.device.type == "meta"


# Where batches come from -----------------------------------------------------------------------


def test_iterator_longer_than_the_run_is_not_drawn_further():
    batches = iter(some_batches(7))
    run(small_model(), batches, steps=5)
    assert len(list(batches)) == 2


def test_iterator_that_runs_dry_is_named_with_the_remedy():
    model, seen = small_model(), []
    with pytest.raises(ValueError, match="ran dry after step 3 of 5: pass a list"):
        for step in fit(model, iter(some_batches(3)), loss=mse, steps=5):
            seen.append(step.index)
    assert seen == [1, 2, 3]


def test_no_batches_at_all():
    with pytest.raises(ValueError, match="not a single batch"):
        list(fit(small_model(), [], loss=mse, steps=5))


# What is asked for wrongly ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 0}, "steps is 0: at least 1"),
        ({"save_every": 0}, "save_every is 0: at least 1"),
        ({"clip": 0.0}, "clip is 0.0: give a positive norm"),
        ({"clip": math.nan}, "clip is nan"),
        ({"schedule": lambda index: math.nan}, r"schedule\(1\) is nan"),
        ({"schedule": lambda index: -1.0}, r"schedule\(1\) is -1.0"),
        ({"loss": lambda model, batch: model(batch[0])}, r"shape \(7, 2\): return one number"),
        ({"loss": lambda model, batch: mse(model, batch).detach()}, "was it detached"),
        ({"optimizer": torch.optim.SGD(small_model().parameters(), 0.1)}, "another model"),
    ],
)
def test_wrong_options_are_named(options, message):
    model = small_model()
    with pytest.raises(ValueError, match=message):
        run(model, **options)
    assert same_weights(model, small_model())


def test_loss_that_is_no_tensor():
    with pytest.raises(TypeError, match=r"loss gave a float.*\.item\(\)"):
        run(small_model(), loss=lambda model, batch: mse(model, batch).item())


def test_rate_is_given_once():
    model = small_model()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ValueError, match="lr=0.2 and an optimizer"):
        run(model, optimizer=optimizer, lr=0.2)


def test_model_without_weights():
    with pytest.raises(ValueError, match="Tanh has no parameter"):
        run(nn.Tanh())


def test_device_variable_and_argument(monkeypatch):
    monkeypatch.setenv("LECTURE_DEVICE", "gpu")
    with pytest.raises(RuntimeError, match="LECTURE_DEVICE='gpu'"):
        run(small_model())
    assert len(run(small_model(), device="cpu")) == 5  # the argument wins


# What goes wrong on the way ----------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_with_the_last_good_weights(tmp_path):
    batches = some_batches()
    batches[2][0][0, 0] = math.nan
    good = small_model(0, nn.BatchNorm1d(5))
    run(good, batches, steps=2)

    model = small_model(0, nn.BatchNorm1d(5))
    with pytest.raises(FloatingPointError, match="step 3: the loss is nan.*after step 2"):
        run(model, batches, steps=9, save_to=tmp_path / "run", save_every=1)
    assert same_weights(model, good)  # the running means of BatchNorm included

    batches[2][0][0, 0] = 0  # mended: the file goes on from there
    steps = run(small_model(0, nn.BatchNorm1d(5)), batches, steps=9, save_to=tmp_path / "run")
    assert steps[0].index == 3


def test_a_gradient_that_is_not_finite_stops_too():
    def loss(model, batch):
        value = mse(model, batch)
        return value + (value - value.detach()).abs().sqrt()  # 0, with an infinite slope

    model = small_model()
    with pytest.raises(FloatingPointError, match=r"step 1: the loss is \d.*norm (inf|nan)"):
        run(model, loss=loss)
    assert same_weights(model, small_model())


def test_break_keeps_what_was_learned_and_writes_it(tmp_path):
    model, three = small_model(), small_model()
    run(three, steps=3)
    for step in fit(model, some_batches(), loss=mse, steps=9, save_to=tmp_path / "run"):
        if step.index == 3:
            break
    assert same_weights(model, three)
    assert run(small_model(), steps=9, save_to=tmp_path / "run")[0].index == 4


def interrupted_while(moment, path, model):
    """Train with dropout, interrupted in step 4."""
    calls = []

    def loss(model, batch):
        value = mse(model, batch)
        calls.append(1)
        if moment == "computing" and len(calls) == 4:
            raise KeyboardInterrupt
        return value

    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    if moment == "updating":
        update = optimizer.step

        def half_way():
            if len(calls) == 4:
                os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C does
            return update()

        optimizer.step = half_way
    for step in fit(
        model, some_batches(), loss=loss, steps=9, optimizer=optimizer, save_to=path
    ):
        if moment == "consuming" and step.index == 4:
            raise KeyboardInterrupt


@pytest.mark.parametrize("moment, done", [("computing", 3), ("updating", 4), ("consuming", 4)])
def test_after_an_interrupt_the_run_goes_on_as_if_nothing_had_been(tmp_path, moment, done):
    through = small_model(0, nn.Dropout(0.5))
    expected = run(through, steps=9, lr=0.01)

    model = small_model(0, nn.Dropout(0.5))
    with pytest.raises(KeyboardInterrupt):
        interrupted_while(moment, tmp_path / "run", model)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    torch.manual_seed(99)
    resumed = small_model(7, nn.Dropout(0.5))
    steps = run(resumed, steps=9, lr=0.01, save_to=tmp_path / "run")
    assert [s.loss for s in steps] == [s.loss for s in expected[done:]]
    assert same_weights(resumed, through)


def test_full_disk_stops_with_the_old_file_intact(tmp_path, monkeypatch):
    run(small_model(), steps=3, save_to=tmp_path / "run")
    before = (tmp_path / "run").read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    model, seen = small_model(), []
    with pytest.raises(OSError, match="cannot write .*run: No space left"):
        for step in fit(
            model, some_batches(), loss=mse, steps=9, save_to=tmp_path / "run", save_every=2
        ):
            seen.append(step.index)
    assert seen == [4, 5]
    assert (tmp_path / "run").read_bytes() == before
    assert os.listdir(tmp_path) == ["run"]


def read_only(**_):
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_folder_that_cannot_be_written_is_noticed_before_the_first_step(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot write .*file/run: .*Choose a file in a folder"):
        next(fit(small_model(), some_batches(), loss=mse, steps=5, save_to=tmp_path / "file/run"))
    with pytest.raises(IsADirectoryError, match="is a folder: name a file in it"):
        next(fit(small_model(), some_batches(), loss=mse, steps=5, save_to=tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    model = small_model()
    with pytest.raises(OSError, match="cannot write .*run: Read-only file system"):
        next(fit(model, some_batches(), loss=mse, steps=5, save_to=tmp_path / "run"))
    assert same_weights(model, small_model())
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("collected", [True, False])
def test_an_older_run_that_is_closed_later_leaves_the_newer_ones_file(
    tmp_path, collected, monkeypatch
):
    def start():
        return fit(small_model(), some_batches(), loss=mse, steps=9, save_to=tmp_path / "run")

    older = start()
    next(older), next(older)
    monkeypatch.chdir(tmp_path)
    newer = fit(small_model(), some_batches(), loss=mse, steps=9, save_to="run")
    for _ in range(5):
        next(newer)
    newer.close()
    if collected:
        del newer
    before = (tmp_path / "run").read_bytes()
    with pytest.raises(RuntimeError, match="a newer run has taken over .*run: iterate over that"):
        next(older)
    older.close()
    assert (tmp_path / "run").read_bytes() == before

    older = start()
    assert next(older).index == 6
    run(small_model(), steps=9, save_to=tmp_path / "run")
    before = (tmp_path / "run").read_bytes()
    older.close()
    assert (tmp_path / "run").read_bytes() == before


# Saved and resumed -----------------------------------------------------------------------------

def numbers_for_ever(count):
    """An iterator that draws from a generator of its own."""
    generator = torch.Generator().manual_seed(3)
    while True:
        index = torch.randint(0, count, (3,), generator=generator)
        yield index


def seeded_run(kind, steps, path):
    """Everything random at once: batches, dropout, and draws in the loss and in the consumer."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2), nn.Linear(5, 2))
    x, y = torch.randn(21, 3), torch.randn(21, 2)
    if kind == "iterator":
        batches = ((x[i], y[i]) for i in numbers_for_ever(21))
    elif kind == "list":
        batches = list(zip(x.split(3), y.split(3)))
    else:
        own = torch.Generator().manual_seed(5) if kind == "own generator" else None
        batches = DataLoader(TensorDataset(x, y), batch_size=3, shuffle=True, generator=own)

    def loss(model, batch):
        return mse(model, batch) * (1 + random.random() + np.random.rand())

    losses = []
    options = {"lr": 0.01, "clip": 1.0, "schedule": lambda index: 1 / index, "save_to": path}
    for step in fit(model, batches, loss=loss, steps=steps, **options):
        losses.append(step.loss)
        torch.rand(step.index)  # as a consumer does that samples
    return losses, [p.tolist() for p in model.parameters()]


KINDS = ["list", "shuffled", "own generator", "iterator"]


def test_ten_steps_a_fresh_process_and_ten_more_are_twenty(tmp_path):
    """A pass is 7 batches, so that step 10 is inside the second."""
    first = {kind: seeded_run(kind, 10, str(tmp_path / kind))[0] for kind in KINDS}
    (resumed,) = in_fresh_processes(1, "resume", str(tmp_path))
    for kind in KINDS:
        losses, parameters = seeded_run(kind, 20, None)
        assert first[kind] + resumed[kind][0] == losses, kind
        assert resumed[kind][1] == parameters, kind


def test_a_finished_run_has_no_more_steps_and_says_so(tmp_path, capsys, monkeypatch):
    model, path = small_model(), tmp_path / "run"
    run(model, save_to=path)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)  # nothing is left to be written
    again = small_model(7)
    assert run(again, save_to=path) == []
    assert same_weights(again, model)
    assert capsys.readouterr().out == f"{path} has 5 steps already: none is left of steps=5\n"


def test_a_run_that_goes_on_says_so(tmp_path, capsys):
    run(small_model(), steps=3, save_to=tmp_path / "run")
    run(small_model(), save_to=tmp_path / "run")
    assert capsys.readouterr().out == f"going on after step 3 of {tmp_path / 'run'}\n"


def test_seconds_go_on_where_they_stopped(tmp_path):
    first = run(small_model(), steps=3, save_to=tmp_path / "run")
    second = run(small_model(), steps=4, save_to=tmp_path / "run")
    assert second[0].seconds > first[-1].seconds


def test_momentum_is_resumed_too(tmp_path):
    def train(steps, path):
        model = small_model()
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        run(model, steps=steps, optimizer=optimizer, save_to=path)
        return model

    train(4, tmp_path / "run")
    assert same_weights(train(9, tmp_path / "run"), train(9, None))


def test_the_optimizers_memory_finds_its_parameters_by_name(tmp_path):
    """Whatever their order in the optimizer, and where one of them has no memory yet."""

    def train(steps, path, turned):
        model = small_model(0, nn.PReLU())
        model.register_parameter("unused", nn.Parameter(torch.zeros(3)))
        parameters = list(model.parameters())
        optimizer = torch.optim.Adam(parameters[::-1] if turned else parameters, 0.01)
        run(model, steps=steps, optimizer=optimizer, save_to=path)
        return model

    train(4, tmp_path / "run", turned=False)
    assert same_weights(train(9, tmp_path / "run", turned=True), train(9, None, turned=False))


def refused(path, model, match, batches=None, **options):
    """The run is refused and nothing has changed: model, optimizer, file, random state."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    file, state = path.read_bytes(), torch.get_rng_state()
    with pytest.raises(ValueError, match=match):
        run(model, batches, save_to=path, **options)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert path.read_bytes() == file
    if "optimizer" in options:
        assert not options["optimizer"].state


def test_a_run_of_another_model_or_optimizer_is_not_resumed(tmp_path):
    run(small_model(), steps=2, save_to=tmp_path / "run")
    refused(
        tmp_path / "run",
        small_model(0, nn.BatchNorm1d(5)),
        r"run \(delete it.*does not fit.*'2.num_batches_tracked'",
    )
    model = small_model(7)
    sgd = torch.optim.SGD(model.parameters(), 0.1)
    refused(tmp_path / "run", model, "trained with Adam, not SGD", optimizer=sgd)
    adam = torch.optim.Adam(model[2].parameters())
    refused(
        tmp_path / "run",
        model,
        r"another choice of parameters \(0.bias, 0.weight differ\)",
        optimizer=adam,
    )


@pytest.mark.parametrize("damage", [lambda d: d[:-10], lambda d: b"", lambda d: b"PK" + d[2:]])
def test_a_damaged_run_is_named_with_the_remedy(tmp_path, damage):
    run(small_model(), steps=2, save_to=tmp_path / "run")
    (tmp_path / "run").write_bytes(damage((tmp_path / "run").read_bytes()))
    refused(tmp_path / "run", small_model(7), "run is not a run that fit saved.*Delete it")


def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path):
    """In the weights, in the optimizer's memory, in the step, in the random states."""
    path = tmp_path / "run"
    run(small_model(), steps=2, save_to=path)
    data = path.read_bytes()
    places = [data.index(word) for word in (b"done", b"seconds", b"taken", b"python", b"sha256")]
    body = 8 + int.from_bytes(data[:8], "little")
    places = [*(place + 9 for place in places), *range(9, body, body // 20), body, len(data) - 1]
    for place in places:
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        refused(path, small_model(7), "run is not a run that fit saved.*Delete it")


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"done": 2}', '{"done": "two"}'])
@pytest.mark.parametrize("signed", [True, False])
def test_a_header_that_is_no_run_is_named_with_the_remedy(tmp_path, text, signed):
    tensors = {f"model.{name}": value for name, value in small_model().state_dict().items()}
    header = {"run": text} | ({"sha256": resume._digest(text, tensors)} if signed else {})
    safetensors.torch.save_file(tensors, tmp_path / "run", header)
    refused(tmp_path / "run", small_model(7), "run is not a run that fit saved.*Delete it")


def test_odd_tensors_have_a_digest():
    for value in (torch.zeros(0, 3), torch.tensor(True), torch.ones(2, dtype=torch.bfloat16)):
        assert resume._digest("", {"x": value}) != resume._digest("", {"y": value})
        assert resume._digest("", {"x": value}) != resume._digest("", {"x": value[None]})


def test_a_generator_in_use_is_not_taken_for_a_new_one(tmp_path):
    batches = ((x, y) for _ in range(9) for x, y in some_batches())
    run(small_model(), batches, steps=2, save_to=tmp_path / "run")
    refused(tmp_path / "run", small_model(7), "make the generator anew", batches)


def test_a_list_does_not_go_on_where_an_iterator_stopped(tmp_path):
    run(small_model(), iter(some_batches()), steps=2, save_to=tmp_path / "run")
    refused(tmp_path / "run", small_model(7), "drew from an iterator when it was saved")


# Progress --------------------------------------------------------------------------------------


def test_a_short_run_prints_nothing(monkeypatch, capfd):
    monkeypatch.delenv("LECTURE_PROGRESS")
    run(small_model(), progress=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "variable, progress, shown", [("", True, True), ("0", True, False), ("", False, False)]
)
def test_progress_and_its_variable(monkeypatch, capfd, variable, progress, shown):
    monkeypatch.setenv("LECTURE_PROGRESS", variable)
    tqdm = fit_module.tqdm
    monkeypatch.setattr(
        fit_module, "tqdm", lambda **o: tqdm(**{**o, "delay": 0, "mininterval": 0})
    )
    run(small_model(), progress=progress)
    assert ("5/5" in capfd.readouterr().err) == shown


def test_other_loops_have_the_same_bar(monkeypatch):
    seen = []
    monkeypatch.setattr(fit_module, "tqdm", lambda items, **o: seen.append(o) or iter(items))
    for variable, disable in (("0", True), ("", None)):
        monkeypatch.setenv("LECTURE_PROGRESS", variable)
        assert list(fit_module.with_bar([1, 2], "cell", total=2)) == [1, 2]
        assert seen[-1]["disable"] is disable and seen[-1]["unit"] == "cell"


# Several processes, and CUDA ---------------------------------------------------------------------


def shared_run(folder):
    """What each of two processes does: its share of six batches, in three steps."""
    rank = os.environ["RANK"]
    model = small_model(int(rank))  # different on purpose: the first one's weights count
    path = f"{folder}/saved_by_{rank}"
    steps = run(model, some_batches(6), steps=3, clip=0.5, lr=0.01, save_to=path)
    return [s.loss for s in steps], [p.tolist() for p in model.parameters()]


def test_two_processes_train_as_one_with_twice_the_batch(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    group["OMP_NUM_THREADS"] = "1"
    first, second = in_fresh_processes(2, "share", str(tmp_path), **group)
    assert first == second
    assert os.listdir(tmp_path) == ["saved_by_0"]

    model, six = small_model(), some_batches(6)
    pairs = list(zip(six[::2], six[1::2]))
    steps = run(
        model, pairs, steps=3, clip=0.5, lr=0.01,
        loss=lambda model, pair: (mse(model, pair[0]) + mse(model, pair[1])) / 2,
    )
    np.testing.assert_allclose(first[0], [s.loss for s in steps], rtol=1e-5)
    for theirs, ours in zip(first[1], model.parameters()):
        np.testing.assert_allclose(theirs, ours.detach(), rtol=1e-4, atol=1e-6)


def test_mixed_precision_stays_near_full_precision():
    full = run(small_model(), steps=20, lr=0.01)
    mixed = run(small_model(), steps=20, lr=0.01, mixed_precision=True)
    assert [s.loss for s in full] != [s.loss for s in mixed]
    np.testing.assert_allclose([s.loss for s in mixed], [s.loss for s in full], rtol=0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_with_mixed_precision_equals_the_cpu_within_tolerance():
    cpu = run(small_model(), steps=20, lr=0.01)
    model = small_model()
    cuda = run(model, steps=20, lr=0.01, device="cuda")
    assert model[0].weight.is_cuda
    assert model[0].weight.dtype == torch.float32
    assert [s.loss for s in cpu] != [s.loss for s in cuda]
    np.testing.assert_allclose([s.loss for s in cuda], [s.loss for s in cpu], rtol=0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_run_saved_on_cuda_goes_on_there_and_on_the_cpu(tmp_path):
    options = {"lr": 0.01, "device": "cuda", "mixed_precision": False}
    through = run(small_model(0, nn.Dropout(0.2)), steps=20, **options)
    run(small_model(0, nn.Dropout(0.2)), steps=10, save_to=tmp_path / "run", **options)
    saved = (tmp_path / "run").read_bytes()
    there = run(small_model(7, nn.Dropout(0.2)), steps=20, save_to=tmp_path / "run", **options)
    np.testing.assert_allclose(
        [s.loss for s in there], [s.loss for s in through[10:]], rtol=1e-4
    )

    (tmp_path / "run").write_bytes(saved)
    model = small_model(7, nn.Dropout(0.2))
    here = run(model, steps=20, lr=0.01, save_to=tmp_path / "run", device="cpu")
    assert [s.index for s in here] == list(range(11, 21))
    assert not model[0].weight.is_cuda
    assert all(math.isfinite(s.loss) for s in here)


# This file is also the program of the processes that the tests above start ------------------------


def in_fresh_processes(count, *arguments, **variables):
    """Run this file `count` times at once; returns what each of them printed as JSON."""
    environment = os.environ | variables | {"PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, *arguments],
            env=environment | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    answers = []
    for process in started:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        answers.append(json.loads(out.splitlines()[-1]))  # after what fit says
    return answers


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    if what == "share":
        print(json.dumps(shared_run(folder)))
    else:
        print(json.dumps({kind: seeded_run(kind, 20, f"{folder}/{kind}") for kind in KINDS}))
