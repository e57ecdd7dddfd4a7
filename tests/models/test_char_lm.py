"""Character models: the fast way equals the steps, chunks join, and changes are felt."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lecture_utils.models.char_lm import (
    Carried,
    CharLM,
    bits_per_character,
    chunks,
    sample,
    watch,
    with_cells_held,
)  # fmt: skip
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.rnn import RNNCell

V, H, B, T = 5, 7, 2, 11


def model(cell=LSTMCell, layers=2, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    return CharLM(V, H, layers, cell, dropout).double()


@pytest.fixture
def codes():
    return torch.randint(V, (B, T), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", [LSTMCell, GRUCell, RNNCell])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_fast_way_equals_the_steps(cell, layers, codes):
    network = model(cell, layers)
    for states in (None, network(codes.flip(0))[1]):
        fast, ends = network(codes, states)
        slow, steps_ends = network.by_steps(codes, states)
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12)
        torch.testing.assert_close(ends, steps_ends, rtol=0, atol=1e-12)
    gradients = [
        torch.autograd.grad(way(codes)[0].sin().sum(), list(network.parameters()))
        for way in (network, network.by_steps)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


def test_equals_pytorchs_lstm(codes):
    network = model()
    theirs = nn.LSTM(V, H, 2, batch_first=True).double()
    with torch.no_grad():
        for k, cell in enumerate(network.stack.cells):
            i, f, o, g = cell.W.chunk(4)
            W, (b_i, b_f, b_o, b_g) = torch.cat([i, f, g, o]), cell.b.chunk(4)
            theirs.get_parameter(f"weight_hh_l{k}").copy_(W[:, :H])
            theirs.get_parameter(f"weight_ih_l{k}").copy_(W[:, H:])
            theirs.get_parameter(f"bias_ih_l{k}").copy_(torch.cat([b_i, b_f, b_g, b_o]))
            theirs.get_parameter(f"bias_hh_l{k}").zero_()
    hs, _ = theirs(nn.functional.one_hot(codes, V).double())
    torch.testing.assert_close(network(codes)[0], network.readout(hs), rtol=0, atol=1e-12)


def test_the_default_cell_starts_out_keeping():
    cell = CharLM(V, H).stack.cells[0]
    assert (cell.b[H : 2 * H] == 1).all() and not cell.b[:H].any()


@pytest.mark.parametrize("cell", [LSTMCell, GRUCell, RNNCell])
def test_what_reads_the_characters_starts_as_wide_as_an_embedding(cell):
    model = CharLM(97, 24, 2, cell)
    first, second = (next(c.parameters()).detach() for c in model.stack.cells)
    reading = first[:, -97:]
    assert 0.95 < reading.std() < 1.05 and abs(reading.mean()) < 0.05
    assert second.abs().max() <= 24**-0.5
    if first.shape[1] > 97:
        assert first[:, :-97].abs().max() <= 24**-0.5  # W_h is as it was


def test_no_character_hears_a_later_one(codes):
    network = model()
    changed = codes.clone()
    changed[:, 6] = (codes[:, 6] + 1) % V
    before, after = network(codes)[0], network(changed)[0]
    assert torch.equal(before[:, :6], after[:, :6]) and not torch.equal(before[:, 6:], after[:, 6:])


def test_chunks_follow_on_one_another():
    text = np.arange(100)
    cut = chunks(text, 3, 10)
    assert [tuple(chunk.shape) for chunk in cut] == [(3, 11)] * 3
    joined = torch.cat([chunk[:, :-1] for chunk in cut], dim=1)
    assert joined[0].tolist() == list(range(30)) and joined[1, 0] == 33
    for a, b in zip(cut, cut[1:]):
        assert torch.equal(a[:, -1], b[:, 0])


@pytest.mark.parametrize("cell", [LSTMCell, RNNCell])
def test_carried_chunks_are_one_long_text(cell):
    text = np.random.default_rng(0).integers(V, size=64)
    network = model(cell)
    carried = Carried(network, B)
    losses = []
    for chunk in chunks(text, B, 10):
        losses.append(carried.loss(chunk))
        losses[-1].backward()  # the state that it began from is not written over before
    losses = [loss.item() for loss in losses]
    streams = torch.as_tensor(text).view(B, 32)[:, :31]
    logits, ends = network(streams[:, :-1])
    whole = nn.functional.cross_entropy(logits.transpose(1, 2), streams[:, 1:], reduction="none")
    assert losses == pytest.approx(whole.view(B, 3, 10).mean((0, 2)).tolist(), abs=1e-12)
    kept = dict(carried.named_buffers())
    for k, end in enumerate(ends):
        for j, part in enumerate(end if isinstance(end, tuple) else (end,)):
            torch.testing.assert_close(kept[f"state_{k}_{j}"], part, rtol=0, atol=1e-12)
    assert len({part.data_ptr() for part in kept.values()}) == len(kept)


def test_carried_state_is_saved_with_the_model():
    names = set(Carried(model(), B).state_dict())
    assert {"state_0_0", "state_0_1", "state_1_0", "state_1_1"} <= names


def test_bits_of_a_model_that_knows_nothing():
    network = model()
    nn.init.zeros_(network.readout.weight)
    nn.init.zeros_(network.readout.bias)
    text = np.random.default_rng(0).integers(V, size=5000)
    assert bits_per_character(network, text) == pytest.approx(math.log2(V), abs=1e-9)
    with torch.no_grad():
        network.readout.bias[0] = 30  # sure of 0
    assert bits_per_character(network, np.zeros(5000, int)) == pytest.approx(0, abs=1e-6)


def test_bits_are_those_of_the_text_read_in_parts():
    network = model()
    text = np.random.default_rng(0).integers(V, size=1002)
    logits, _ = network(torch.as_tensor(text[:1002].reshape(2, 501))[:, :-1])
    target = torch.as_tensor(text.reshape(2, 501))[:, 1:]
    expected = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten()) / math.log(2)
    assert bits_per_character(network, text, streams=2) == pytest.approx(expected.item(), abs=1e-9)
    with pytest.raises(ValueError, match="31 characters are too few for 16 parts"):
        bits_per_character(network, text[:31])
    text[700] = V
    with pytest.raises(ValueError, match=r"code at \[700\] is 5"):  # in the text, not in a part
        bits_per_character(network, text, streams=2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_gpu_all_goes_as_on_the_processor(codes):
    network, text = model().float(), np.random.default_rng(0).integers(V, size=500)
    here = bits_per_character(network, text), watch(network, text).values["c"]
    network.cuda()
    assert bits_per_character(network, text) == pytest.approx(here[0], abs=1e-4)
    np.testing.assert_allclose(watch(network, text).values["c"], here[1], atol=1e-4)
    assert len(list(sample(network, text[:9], 5, np.random.default_rng(0)))) == 5


def test_dropout_is_for_training_only(codes):
    network = model(dropout=0.5)
    assert not torch.equal(network(codes)[0], network(codes)[0])
    torch.manual_seed(0)
    bits_per_character(network, np.zeros(5000, int))
    assert network.training
    network.eval()
    torch.testing.assert_close(network(codes)[0], network.by_steps(codes)[0])


def test_watching_a_short_text_is_exact():
    network = model()
    text = np.random.default_rng(0).integers(V, size=50)
    seen = watch(network, text, names=("c", "f"))
    c, h = torch.zeros(1, H).double(), torch.zeros(1, H).double()
    xs = nn.functional.one_hot(torch.as_tensor(text), V).double()
    for t in range(50):
        h, c = network.stack.cells[0](xs[t : t + 1], (h, c))
        assert seen.values["c"][t, :H] == pytest.approx(c[0].detach().numpy(), abs=1e-6)
    assert seen.values["c"].shape == seen.values["f"].shape == (50, 2 * H)
    logits = network(torch.as_tensor(text)[None])[0][0]
    expected = torch.log_softmax(logits, 1).detach().numpy()
    assert seen.log_probabilities == pytest.approx(expected, abs=1e-6)
    picked = [expected[t, text[t + 1]] for t in range(49)]
    assert seen.of_next(text) == pytest.approx(picked, abs=1e-6)


@pytest.mark.parametrize("length", [161, 230, 401])
def test_watching_in_stretches_is_all_but_exact(length):
    """The LSTM forgets within the warm-up, so the stretches join without a seam."""
    network = model(partial(LSTMCell, forget_bias=-1))
    text = np.random.default_rng(0).integers(V, size=length)
    whole = watch(network, text, stretch=length)
    parts = watch(network, text, stretch=100, warm=60)
    assert parts.values["c"] == pytest.approx(whole.values["c"], abs=1e-5)
    assert parts.log_probabilities == pytest.approx(whole.log_probabilities, abs=1e-5)
    cold = watch(network, text, stretch=100, warm=0)  # the test can tell
    assert np.abs(cold.values["c"] - whole.values["c"]).max() > 0.01


def test_a_cell_that_is_held_changes_what_comes_after():
    network = model()
    text = np.random.default_rng(0).integers(V, size=50)

    def held(c):
        return c.index_fill(1, torch.tensor([3]), 0.5)

    plain, changed = (
        watch(network, text, change=change) for change in (None, {"stack.cells.1.c": held})
    )
    assert (changed.values["c"][:, H + 3] == 0.5).all()
    assert (changed.values["c"][:, :H] == plain.values["c"][:, :H]).all()  # the layer below
    assert not np.allclose(changed.values["c"][:, H + 4], plain.values["c"][:, H + 4])
    assert not np.allclose(changed.log_probabilities, plain.log_probabilities)


@pytest.mark.parametrize("length", [50, 230])
def test_many_ways_of_holding_cells_are_read_side_by_side(length):
    network = model()
    text = np.random.default_rng(0).integers(V, size=length)

    def held(unit, value):
        return lambda c: c.index_fill(1, torch.tensor([unit]), value)

    ways = [{}, {H + 3: 0.5}, {2: -1.0}, {2: -1.0, H + 3: 0.5}]
    one_by_one = [
        None, {"stack.cells.1.c": held(3, 0.5)}, {"stack.cells.0.c": held(2, -1.0)},
        {"stack.cells.0.c": held(2, -1.0), "stack.cells.1.c": held(3, 0.5)},
    ]  # fmt: skip
    together = with_cells_held(network, text, ways, stretch=80, warm=60)
    assert together.shape == (4, length, V)
    for seen, change in zip(together, one_by_one):
        alone = watch(network, text, change=change, stretch=80, warm=60).log_probabilities
        np.testing.assert_allclose(seen, alone, atol=1e-6)
    assert np.abs(together[1] - together[0]).max() > 1e-3  # the test can tell
    with pytest.raises(ValueError, match="there is no cell 14: give 0 to 13"):
        with_cells_held(network, text, [{2 * H: 0.0}])


def test_samples():
    network = model()
    drawn = [list(sample(network, [1, 2], 30, np.random.default_rng(0))) for _ in range(2)]
    assert drawn[0] == drawn[1] and len(drawn[0]) == 30 and set(drawn[0]) <= set(range(V))
    greedy = list(sample(network, [1, 2], 5, np.random.default_rng(0), temperature=0))
    text = [1, 2]
    for code in greedy:
        assert code == network(torch.tensor([text]))[0][0, -1].argmax()
        text.append(code)


def test_samples_follow_the_temperature():
    network = model(layers=1)
    logits = network(torch.tensor([[0]]))[0][0, -1].detach().numpy()
    rng = np.random.default_rng(0)
    first = [next(sample(network, [0], 1, rng, temperature=0.5)) for _ in range(3000)]
    p = np.exp(logits / 0.5) / np.exp(logits / 0.5).sum()
    assert np.bincount(first, minlength=V) / 3000 == pytest.approx(p, abs=0.03)


def test_bad_input_is_refused():
    network = model()
    nothing = torch.zeros(1, 0, dtype=torch.long)
    for run in (network, network.by_steps):
        with pytest.raises(ValueError, match=r"text is empty: .*shape \(1, 0\), give at least one"):
            run(nothing)
        with pytest.raises(ValueError, match=r"code at \[1, 2\] is 5: the model knows 0 to 4"):
            run(torch.tensor([[0, 4, 4], [1, 1, V]]))
        with pytest.raises(ValueError, match=r"code at \[0, 1\] is -1: .* that it was trained on"):
            run(torch.tensor([[0, -1], [V, 0]]))
    with pytest.raises(ValueError, match="temperature is -1"):
        next(sample(network, [0], 1, np.random.default_rng(0), temperature=-1))
    with pytest.raises(ValueError, match="the text is empty"):
        next(sample(network, [], 1, np.random.default_rng(0)))
    with pytest.raises(ValueError, match="20 characters are too few for 4 streams of 5"):
        chunks(np.zeros(20, int), 4, 5)
    with pytest.raises(ValueError, match="nothing was changed under stack.cells.7.c"):
        watch(network, np.zeros(9, int), change={"stack.cells.7.c": lambda c: c})


@pytest.mark.parametrize("read", [watch, partial(with_cells_held, held=[{}])])
def test_a_text_that_cannot_be_read_in_stretches_is_refused(read):
    network, text = model(), np.zeros(50, int)
    read(network, text, stretch=1, warm=0)  # the least that is allowed
    for stretch in (0, -3):
        with pytest.raises(ValueError, match=f"stretch is {stretch}: read at least 1"):
            read(network, text, stretch=stretch)
    with pytest.raises(ValueError, match=r"warm is -1: give 0 \(no warm-up\) or more"):
        read(network, text, warm=-1)
    with pytest.raises(ValueError, match="the text is empty: .*give at least one character"):
        read(network, text[:0])
    for wrong in (V, -1):
        text[[33, 40]] = wrong
        with pytest.raises(ValueError, match=rf"code at \[33\] is {wrong}: the model knows 0 to 4"):
            read(network, text, stretch=10, warm=5)  # the place in the text, not in a stretch
