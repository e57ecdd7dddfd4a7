"""Weights and experiments come back as they were, or the reader is told what is wrong."""

import errno
import hashlib
import json
import os
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from lecture_utils.training import checkpoints

CARD = {"command": "python -m lecture_utils.recipes tiny", "seed": 0, "metrics": {"loss": 1.5}}


class Tiny(nn.Module):
    """Tied weights, a buffer and an integer: what a naive loader gets wrong."""

    def __init__(self, hidden=3):
        super().__init__()
        self.embed = nn.Embedding(5, hidden)
        self.head = nn.Linear(hidden, 5)
        self.head.weight = self.embed.weight
        self.norm = nn.BatchNorm1d(hidden)


def random_tiny(seed, **sizes):
    torch.manual_seed(seed)
    model = Tiny(**sizes)
    with torch.no_grad():
        for value in model.state_dict().values():
            value.copy_(torch.rand(value.shape) * 9)
    return model


def states_equal(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """data/ in an empty folder, with one checkpoint `tiny` and one experiment `runs`."""
    monkeypatch.setattr(checkpoints, "DATA", tmp_path)
    checkpoints.save("tiny", random_tiny(0), CARD)
    checkpoints.save_experiment("runs", {"step": [1, 2], "loss": [0.5, 0.25]}, CARD)
    return tmp_path


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# Weights ---------------------------------------------------------------------------------------


def test_weights_come_back_bit_for_bit(shipped):
    model = random_tiny(1)
    checkpoints.load("tiny", model)
    assert states_equal(model, random_tiny(0))
    assert model.head.weight is model.embed.weight


def test_tied_weights_are_stored_once(shipped):
    stored = checkpoints.weights(random_tiny(0))
    assert "embed.weight" in stored and "head.weight" not in stored


def test_card_says_how_and_what(shipped):
    card = checkpoints.card("tiny")
    assert CARD.items() <= card.items()
    assert card["parameters"] == 15 + 5 + 6  # embedding (tied), bias, norm
    assert card["stored_as"] == ["float32", "int64"]
    assert card["versions"]["torch"] == torch.__version__
    data = (shipped / "checkpoints" / "tiny.safetensors").read_bytes()
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert card == checkpoints.load("tiny", random_tiny(1))


def test_saving_twice_writes_the_same_bytes(shipped):
    before = contents(shipped)
    checkpoints.save("tiny", random_tiny(0), CARD)
    assert contents(shipped) == before


def test_a_path_is_taken_as_it_is(tmp_path):
    checkpoints.save(tmp_path / "new" / "v1.5", random_tiny(0), CARD)
    model = random_tiny(1)
    checkpoints.load(str(tmp_path / "new" / "v1.5.safetensors"), model)
    assert states_equal(model, random_tiny(0))


def test_float16_is_half_the_size_and_close(tmp_path):
    model = nn.Linear(50, 50)
    checkpoints.save(tmp_path / "full", model, CARD)
    card = checkpoints.save(tmp_path / "half", model, CARD, float16=True)
    sizes = {p.stem: p.stat().st_size for p in tmp_path.glob("*.safetensors")}
    assert sizes["half"] < 0.6 * sizes["full"]
    assert card["stored_as"] == ["float16"]
    again = nn.Linear(50, 50)
    checkpoints.load(tmp_path / "half", again)
    assert again.weight.dtype == torch.float32
    torch.testing.assert_close(again.weight, model.weight, rtol=1e-3, atol=1e-6)


def test_float16_refuses_what_would_become_infinite(tmp_path):
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, 1e5)
    with pytest.raises(ValueError, match="'weight' reaches 1e.05: too large for float16"):
        checkpoints.save(tmp_path / "x", model, CARD, float16=True)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("float16", [True, False])
def test_weights_that_are_nan_are_refused_by_name(shipped, float16):
    before = contents(shipped)
    model = random_tiny(1)
    with torch.no_grad():
        model.head.bias[1:3] = torch.nan
    with pytest.raises(ValueError, match="'head.bias' is NaN in 2 of 5 numbers"):
        checkpoints.save("tiny", model, CARD, float16)
    assert contents(shipped) == before


def test_weights_that_are_infinite_come_back(tmp_path):
    """A mask may hold -inf."""
    model, again = nn.Linear(2, 2), nn.Linear(2, 2)
    nn.init.constant_(model.bias, -torch.inf)
    checkpoints.save(tmp_path / "x", model, CARD)
    checkpoints.load(tmp_path / "x", again)
    assert states_equal(model, again)


def test_numpy_numbers_may_stand_on_a_card_but_nan_may_not(tmp_path):
    card = checkpoints.save(tmp_path / "x", nn.Linear(1, 1), {"loss": np.float32(0.5)})
    assert card["loss"] == 0.5
    for bad in (float("nan"), np.float64("nan"), object()):
        with pytest.raises(ValueError, match="the card of 'y' cannot be written"):
            checkpoints.save(tmp_path / "y", nn.Linear(1, 1), {"loss": bad})
    assert not (tmp_path / "y.safetensors").exists()


def test_unknown_name_offers_near_names_and_the_list(shipped):
    checkpoints.save("lstm", random_tiny(0), CARD)
    with pytest.raises(FileNotFoundError) as caught:
        checkpoints.load("tinny", random_tiny(1))
    assert str(caught.value) == (
        "there is no checkpoint 'tinny'. Did you mean 'tiny'? There are: lstm, tiny."
    )
    with pytest.raises(FileNotFoundError, match="no experiment 'run'. Did you mean 'runs'"):
        checkpoints.experiment("run")


def test_unknown_path_names_the_folder(tmp_path):
    folder = tmp_path / "mine"
    checkpoints.save(folder / "tiny", random_tiny(0), CARD)
    with pytest.raises(FileNotFoundError) as caught:
        checkpoints.load(folder / "tinny", random_tiny(1))
    assert str(caught.value) == (
        f"in the folder {folder} there is no checkpoint 'tinny'. Did you mean 'tiny'? "
        "There are: tiny."
    )


@pytest.mark.parametrize("name", ["", "..", "."])
def test_a_name_must_be_one(name):
    with pytest.raises(ValueError, match="is no name"):
        checkpoints.card(name)


REMEDY = "git checkout.*recipes tiny"


def flip_last_bit(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("damage", [lambda d: d[:-10], flip_last_bit, lambda d: b""])
def test_damaged_weights_are_named_with_the_remedy_and_not_loaded(shipped, damage):
    file = shipped / "checkpoints" / "tiny.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    model = random_tiny(1)
    with pytest.raises(ValueError, match=rf"tiny\.safetensors is not the file.*{REMEDY}"):
        checkpoints.load("tiny", model)
    assert states_equal(model, random_tiny(1))


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_damaged_card_is_named_with_the_remedy(shipped, text):
    (shipped / "checkpoints" / "tiny.json").write_text(text)
    with pytest.raises(ValueError, match=rf"tiny\.json is damaged.*{REMEDY}"):
        checkpoints.load("tiny", random_tiny(1))


def test_missing_weights_are_named_with_the_remedy(shipped):
    (shipped / "checkpoints" / "tiny.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=rf"tiny\.safetensors is missing.*{REMEDY}"):
        checkpoints.load("tiny", random_tiny(1))


def test_a_pickle_is_never_run(shipped):
    """Even one whose card has the right hash."""

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(shipped / "boom"),)

    data = pickle.dumps(Bomb())
    (shipped / "checkpoints" / "tiny.safetensors").write_bytes(data)
    card = {"sha256": hashlib.sha256(data).hexdigest()}
    (shipped / "checkpoints" / "tiny.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=rf"tiny\.safetensors holds no weights.*{REMEDY}"):
        checkpoints.load("tiny", random_tiny(1))
    assert not (shipped / "boom").exists()


def test_other_sizes_are_named_and_nothing_is_loaded(shipped):
    model = random_tiny(1, hidden=7)
    with pytest.raises(
        ValueError,
        match=r"'tiny' does not fit.*'embed.weight' is \(5, 3\) in the file, \(5, 7\) in the model"
        r".*and 2 more",
    ):
        checkpoints.load("tiny", model)
    assert states_equal(model, random_tiny(1, hidden=7))


def test_other_names_are_named(shipped):
    with pytest.raises(ValueError, match="'embed.weight' is not in the model; "):
        checkpoints.load("tiny", nn.Linear(3, 5, bias=False))


# Experiments -----------------------------------------------------------------------------------


def test_columns_come_back_with_their_types(tmp_path):
    rows = [
        {"cell": "lstm, 2", "seed": 0, "loss": 0.1, "ok": True},
        {"cell": 'say "hi"', "seed": np.int64(-1), "loss": np.float32(0.5), "ok": False},
    ]
    checkpoints.save_experiment(tmp_path / "e", rows, CARD)
    columns = checkpoints.experiment(tmp_path / "e")
    assert list(columns) == ["cell", "seed", "loss", "ok"]
    assert columns["cell"].tolist() == ["lstm, 2", 'say "hi"']
    assert columns["seed"].dtype == np.int64 and columns["seed"].tolist() == [0, -1]
    assert columns["loss"].dtype == np.float64 and columns["loss"].tolist() == [0.1, 0.5]
    assert columns["ok"].tolist() == [1, 0]
    assert checkpoints.experiment_card(tmp_path / "e")["seed"] == 0


def test_numbers_survive_in_full_and_lines_end_in_lf(tmp_path):
    loss = np.random.default_rng(0).normal(size=7)
    checkpoints.save_experiment(tmp_path / "e", {"loss": loss, "big": [2**70] * 7}, CARD)
    assert np.array_equal(checkpoints.experiment(tmp_path / "e")["loss"], loss)
    data = (tmp_path / "e.csv").read_bytes()
    assert data.count(b"\n") == 8 and b"\r" not in data


@pytest.mark.parametrize(
    "rows, message",
    [
        ([], "without rows"),
        ({}, "without rows"),
        ({"a": []}, "without rows"),
        ({"a": [], "b": np.array([])}, "without rows"),
        ([{"a": 1}, {"b": 2}], r"row 1 has keys \['b'\], row 0 has \['a'\]"),
        ({"a": [1, 2], "b": [1]}, r"different lengths: \{'a': 2, 'b': 1\}"),
        ({"a": [1], "b": [None]}, "None is a NoneType"),
    ],
)
def test_rows_that_make_no_table_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        checkpoints.save_experiment(tmp_path / "e", rows, CARD)
    assert contents(tmp_path) == {}


def test_an_edited_table_is_noticed(shipped):
    file = shipped / "experiments" / "runs.csv"
    file.write_text(file.read_text().replace("0.25", "0.15"))
    with pytest.raises(ValueError, match=r"runs\.csv is not the file.*recipes tiny"):
        checkpoints.experiment("runs")


# Full disk, read-only folder ---------------------------------------------------------------------


def fails(error, works=0):
    """An fsync that works a few times and then raises."""
    left = [works]

    def fsync(file):
        if left[0] == 0:
            raise error
        left[0] -= 1

    return fsync


def refuses(error, *endings, after=False):
    """A replace that raises for targets with these endings: before it did its work, or after."""
    replace = os.replace

    def call(source, target):
        if after:
            replace(source, target)
        if str(source).endswith(".new") and str(target).endswith(endings):
            raise error
        if not after:
            replace(source, target)

    return call


def no_links(*_):
    raise PermissionError(errno.EPERM, "Operation not permitted")


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
BUSY = PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize(
    "function, replacement, error",
    [
        ("fsync", lambda: fails(FULL), FULL),
        ("fsync", lambda: fails(FULL, works=1), FULL),
        ("replace", lambda: refuses(BUSY, ".safetensors", ".csv"), BUSY),
        ("replace", lambda: refuses(BUSY, ".json"), BUSY),  # the weights have their name already
    ],
)
def test_a_failed_save_leaves_everything_as_it_was(
    shipped, monkeypatch, function, replacement, error, links
):
    before = contents(shipped)
    monkeypatch.setattr(os, function, replacement())
    if not links:  # as on a memory stick
        monkeypatch.setattr(os, "link", no_links)
    for name in ("tiny", "brand_new"):
        with pytest.raises(OSError, match=rf"cannot write .*{error.strerror}.*unchanged"):
            checkpoints.save(name, random_tiny(1), CARD)
        assert contents(shipped) == before
    with pytest.raises(OSError, match="cannot write"):
        checkpoints.save_experiment("runs", {"a": [1]}, CARD)
    monkeypatch.undo()
    assert contents(shipped) == before


def test_what_was_there_comes_back_from_a_disk_that_is_full(shipped, monkeypatch):
    """Undoing writes nothing: on a full disk the old weights would come back empty."""
    before = contents(shipped)
    monkeypatch.setattr(os, "replace", refuses(FULL, ".json"))
    monkeypatch.setattr(type(shipped), "write_bytes", lambda *_: 1 / 0)
    with pytest.raises(OSError, match="cannot write .*No space left"):
        checkpoints.save("tiny", random_tiny(1), CARD)
    assert contents(shipped) == before


def test_old_weights_that_cannot_come_back_stay_under_another_name(shipped, monkeypatch):
    before = (shipped / "checkpoints" / "tiny.safetensors").read_bytes()
    replace, calls = os.replace, []

    def once(source, target):
        calls.append(target)
        if len(calls) > 1:
            raise BUSY
        replace(source, target)

    monkeypatch.setattr(os, "replace", once)
    with pytest.raises(OSError):
        checkpoints.save("tiny", random_tiny(1), CARD)
    (kept,) = shipped.glob("checkpoints/.tiny.safetensors.*.old")
    assert kept.read_bytes() == before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("ending", [".safetensors", ".json"])
@pytest.mark.parametrize("name", ["tiny", "brand_new"])
def test_an_interrupt_between_two_names_leaves_everything_as_it_was(
    shipped, monkeypatch, name, ending, after
):
    before = contents(shipped)
    monkeypatch.setattr(os, "replace", refuses(KeyboardInterrupt(), ending, after=after))
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(name, random_tiny(1), CARD)
    assert contents(shipped) == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="cannot write .*file/x"):
        checkpoints.save(tmp_path / "file" / "x", random_tiny(0), CARD)


def test_an_interrupt_while_saving_leaves_everything_as_it_was(shipped, monkeypatch):
    before = contents(shipped)

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save("tiny", random_tiny(1), CARD)
    assert contents(shipped) == before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_weights_from_the_gpu_load_on_the_cpu(tmp_path):
    checkpoints.save(tmp_path / "x", random_tiny(0).cuda(), CARD)
    model = random_tiny(1)
    checkpoints.load(tmp_path / "x", model)
    assert states_equal(model, random_tiny(0))
