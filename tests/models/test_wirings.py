"""Five wirings of one cell: where inputs enter, where outputs leave, and what can reach what."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from lecture_utils.datasets.digits import digits
from lecture_utils.datasets.puzzles import recall, reversal, running_parity
from lecture_utils.gradcheck import assert_causal
from lecture_utils.models.wirings import (
    ManyToMany,
    ManyToOne,
    OneToMany,
    OneToOne,
    ThroughOneVector,
)
from lecture_utils.runtime import seed
from lecture_utils.trace import trace

B, T, D, H, V = 2, 3, 5, 7, 11


@pytest.fixture(autouse=True)
def seeded():
    seed(0)


def sequences():
    return torch.randn(B, T, D)


def words(symbols=V, length=T):
    return torch.randint(symbols, (B, length))


# Shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run, shape",
    [
        (lambda: OneToOne(D, H, V)(torch.randn(B, D)), (B, V)),
        (lambda: OneToMany(4, H, V)(torch.tensor([1, 3]), 6), (B, 6, V)),
        (lambda: ManyToOne(D, H, V)(sequences()), (B, V)),
        (lambda: ManyToMany(D, H, V)(sequences()), (B, T, V)),
        (lambda: ThroughOneVector(V, H)(words()), (B, T, V)),
        (lambda: ThroughOneVector(V, H)(words(), words()), (B, T, V)),
    ],
    ids=["one-to-one", "one-to-many", "many-to-one", "many-to-many", "free", "teacher"],
)
def test_shapes(run, shape):
    assert run().shape == shape


@pytest.mark.parametrize(
    "run, steps",
    [
        (lambda: OneToMany(4, H, V)(torch.tensor([1, 3]), 6), 6),
        (lambda: ManyToOne(D, H, V)(sequences()), T),
        (lambda: ManyToMany(D, H, V)(sequences()), T),
        (lambda: ThroughOneVector(V, H)(words()), 2 * T),
        (lambda: ThroughOneVector(V, H)(words(), words()), 2 * T),
    ],
    ids=["one-to-many", "many-to-one", "many-to-many", "free", "teacher"],
)
def test_every_state_is_noted_once_and_in_order(run, steps):
    with trace() as log:
        run()
    states = torch.cat(log["hs"], dim=1)
    assert states.shape == (B, steps, H)
    assert bool((states.abs() <= 1).all()) and bool((states != 0).all())


# What reaches what -------------------------------------------------------------------------------


def test_many_to_many_is_causal_and_every_earlier_input_arrives():
    model, xs = ManyToMany(D, H, V), sequences().requires_grad_()
    assert_causal(model, xs)
    (grad,) = torch.autograd.grad(model(xs)[:, -1].sum(), xs)
    assert bool((grad.abs().amax(dim=2) > 0).all())


def test_many_to_one_reads_every_input_and_their_order():
    model, xs = ManyToOne(D, H, V), sequences().requires_grad_()
    (grad,) = torch.autograd.grad(model(xs).sum(), xs)
    assert bool((grad.abs().amax(dim=2) > 0).all())
    assert not torch.allclose(model(xs), model(xs.flip(1)), atol=1e-3)


def test_many_to_one_answers_as_many_to_many_does_at_its_last_step():
    one, many = ManyToOne(D, H, V), ManyToMany(D, H, V)
    many.load_state_dict(one.state_dict())
    xs = sequences()
    torch.testing.assert_close(one(xs), many(xs)[:, -1])


@pytest.mark.parametrize("model", [ManyToOne, ManyToMany])
def test_examples_of_a_batch_do_not_see_each_other(model):
    model, xs = model(D, H, V), sequences().requires_grad_()
    (grad,) = torch.autograd.grad(model(xs)[0].sum(), xs)
    assert bool(grad[0].any()) and not bool(grad[1].any())


def test_one_to_many_feeds_its_own_output_back():
    """Another readout changes the first row; through it, and only so, the later states."""
    model, label = OneToMany(4, H, V), torch.tensor([2])
    with trace() as before:
        rows = model(label, 4)
    with torch.no_grad():
        model.readout.bias += 1.0
    with trace() as after:
        changed = model(label, 4)
    assert torch.equal(before["hs"][0], after["hs"][0])  # the readout comes after the first state
    torch.testing.assert_close(changed[:, 0], rows[:, 0] + 1)
    assert float((before["hs"][1] - after["hs"][1]).abs().max()) > 0.01
    assert float((changed[:, 1] - rows[:, 1] - 1).detach().abs().max()) > 0.01


def test_one_to_many_equals_the_loop_written_out():
    model, label = OneToMany(4, H, V), torch.tensor([2, 0])
    cell, h, y = model.cell, model.start(label), torch.zeros(B, V)
    expected = []
    for _ in range(5):
        a = y @ cell.weight_ih_l0.T + cell.bias_ih_l0 + h @ cell.weight_hh_l0.T + cell.bias_hh_l0
        h = torch.tanh(a)
        y = h @ model.readout.weight.T + model.readout.bias
        expected.append(y)
    torch.testing.assert_close(model(label, 5), torch.stack(expected, dim=1))


def test_one_to_many_begins_alike_however_long_it_goes_on():
    model, label = OneToMany(4, H, V), torch.tensor([1, 3])
    torch.testing.assert_close(model(label, 3), model(label, 8)[:, :3])
    assert not torch.allclose(model(torch.tensor([0, 1]), 3)[0], model(torch.tensor([1, 1]), 3)[0])


# Through one vector ------------------------------------------------------------------------------


def test_everything_passes_through_one_vector(monkeypatch):
    """Two words that leave the reader with the same last state get the same answer."""
    model, (one, other) = ThroughOneVector(V, H), words(length=6)
    one, other = one[None], other[None]
    assert not torch.allclose(model(one), model(other))
    read = model.reader.forward
    _, vector = read(model.embed(one))

    def with_the_state_of_one(embedded):
        hs, _ = read(embedded)
        return torch.cat([hs[:, :-1], vector.transpose(0, 1)], dim=1), vector

    monkeypatch.setattr(model.reader, "forward", with_the_state_of_one)
    with trace() as log:
        answers = model(one), model(other)
    reader_states = log["hs"][0], log["hs"][7]
    assert not torch.allclose(*reader_states)  # the two words were read, and read differently
    assert torch.equal(*answers)


def test_teacher_forcing_is_the_writer_run_from_that_vector_on_shifted_targets():
    model, word, targets = ThroughOneVector(V, H), words(), words()
    _, vector = model.reader(model.embed(word))
    go = torch.full((B, 1), V)  # the one symbol that no word contains
    shown = torch.cat([go, targets[:, :-1]], dim=1)
    hs, _ = model.writer(model.embed(shown), vector)
    torch.testing.assert_close(model(word, targets), model.readout(hs))
    other = model(words(), targets)
    assert not torch.allclose(model(word, targets), other)


def test_the_writer_does_not_see_the_symbol_it_is_asked_for():
    """Teacher forcing shows targets one step late: the last is never shown."""
    model, word, targets = ThroughOneVector(V, H), words(), words()
    other = targets.clone()
    other[:, -1] = (other[:, -1] + 1) % V
    torch.testing.assert_close(model(word, targets), model(word, other), rtol=0, atol=0)
    other[:, 0] = (other[:, 0] + 1) % V
    late, changed = model(word, targets), model(word, other)
    torch.testing.assert_close(late[:, 0], changed[:, 0], rtol=0, atol=0)
    assert not torch.allclose(late[:, 1], changed[:, 1])


def test_teacher_forcing_equals_free_running_where_free_running_is_right():
    model, word = ThroughOneVector(V, H), words(length=6)
    free = model(word)
    own = free.argmax(-1)
    torch.testing.assert_close(model(word, own), free)
    wrong = own.clone()
    wrong[:, 2] = (wrong[:, 2] + 1) % V
    assert not torch.allclose(model(word, wrong)[:, 3:], free[:, 3:])


# Each learns its task ----------------------------------------------------------------------------


def train(model, batches, loss, steps, lr):
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model, *next(batches)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()


def endless(make):
    while True:
        yield make()


def test_one_to_one_learns_to_read_whole_digits():
    learn, test = digits()
    images = torch.tensor(learn.images).float().flatten(1)
    labels = torch.tensor(learn.labels)
    model = train(
        OneToOne(64, 32, 10), endless(lambda: (images, labels)),
        lambda m, x, y: cross_entropy(m(x), y), steps=60, lr=2e-2,
    )
    said = model(torch.tensor(test.images).float().flatten(1)).argmax(1)
    assert float((said == torch.tensor(test.labels)).float().mean()) > 0.9


def test_many_to_one_learns_to_recall():
    rng, codes = np.random.default_rng(0), torch.eye(8)

    def batch():
        inputs, kept = recall(64, 3, 4, rng)
        return codes[inputs], torch.tensor(kept)

    model = train(
        ManyToOne(8, 32, 4), endless(batch), lambda m, x, y: cross_entropy(m(x), y),
        steps=150, lr=1e-2,
    )
    inputs, kept = recall(400, 3, 4, np.random.default_rng(1))
    assert float((model(codes[inputs]).argmax(1) == torch.tensor(kept)).float().mean()) > 0.95


def test_many_to_many_learns_running_parity_and_goes_on_beyond_the_trained_length():
    rng = np.random.default_rng(0)

    def batch(examples=64, length=8):
        bits, odd = running_parity(examples, length, rng)
        return torch.tensor(bits).float()[..., None], torch.tensor(odd)

    model = train(
        ManyToMany(1, 16, 2), endless(batch),
        lambda m, x, y: cross_entropy(m(x).flatten(0, 1), y.flatten()), steps=400, lr=1e-2,
    )
    xs, odd = batch(300, 40)
    assert float((model(xs).argmax(-1) == odd).float().mean()) > 0.98


def test_one_to_many_learns_one_sequence_per_class():
    wanted = (torch.rand(3, 5, 4) > 0.5).float()
    model = train(
        OneToMany(3, 24, 4), endless(lambda: (torch.arange(3),)),
        lambda m, label: (m(label, 5) - wanted).square().mean(), steps=250, lr=1e-2,
    )
    drawn = model(torch.arange(3), 5).detach()
    assert float((drawn - wanted).abs().max()) < 0.2
    assert float((wanted - wanted.mean(dim=0)).abs().max()) > 0.3  # the classes do differ


def test_through_one_vector_learns_to_reverse_short_words():
    rng = np.random.default_rng(0)

    def batch():
        return tuple(torch.tensor(v) for v in reversal(64, 3, 4, rng))

    model = train(
        ThroughOneVector(4, 48), endless(batch),
        lambda m, word, back: cross_entropy(m(word, back).flatten(0, 1), back.flatten()),
        steps=300, lr=5e-3,
    )
    word, back = (torch.tensor(v) for v in reversal(300, 3, 4, np.random.default_rng(1)))
    right = (model(word).argmax(-1) == back).all(dim=1)
    assert float(right.float().mean()) > 0.95
