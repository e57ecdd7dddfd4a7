"""min-char-rnn: slow and fast version agree, and the run is that of the lecture's listing."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot as torch_one_hot

from lecture_utils.datasets.text import Alphabet, latin1_chart
from lecture_utils.gradcheck import assert_close, relative_error
from lecture_utils.models.char_rnn import batched, sample, step_by_step, train
from lecture_utils.models.rnn import RNNParameters, rnn_parameters
from tests.reference import torch_parameters

CHART = latin1_chart()
ALPHABET = Alphabet(CHART)
TEXT = ALPHABET.encode(CHART)
SIZE = len(ALPHABET)
VERSIONS = {"step by step": step_by_step, "batched": batched}


def parameters(vocab=11, hidden=7, seed=0):
    rng = np.random.default_rng(seed)
    p = rnn_parameters(vocab, hidden, vocab, rng)
    p.b_h[:] = rng.standard_normal(hidden)
    p.b_y[:] = rng.standard_normal(vocab)
    return p


def copied(p):
    return RNNParameters(*(w.copy() for w in p))


# One chunk ---------------------------------------------------------------------------------------


def chunk_loss(p, inputs, targets, h):
    """Loss, gradients and last state of one chunk, with the gradient left to autograd."""
    w = torch_parameters(p)
    state, loss = torch.tensor(h), torch.zeros((), dtype=torch.float64)
    for x, target in zip(torch_one_hot(torch.tensor(inputs), len(p.b_y)).double(), targets):
        state = torch.tanh(w["W_xh"] @ x + w["W_hh"] @ state + w["b_h"])
        loss = loss - torch.softmax(w["W_hy"] @ state + w["b_y"], 0)[int(target)].log()
    gradients = torch.autograd.grad(loss, list(w.values()))
    return loss, gradients, state


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("length", [1, 2, 5])
def test_both_versions_equal_autograd(version, length):
    p, rng = parameters(), np.random.default_rng(1)
    inputs, targets = rng.integers(0, 11, (2, length))
    h = rng.uniform(-0.9, 0.9, 7)
    loss, dp, last = VERSIONS[version](p, inputs, targets, h)
    true_loss, true, true_last = chunk_loss(p, inputs, targets, h)
    assert_close(loss, true_loss)
    assert_close(last, true_last)
    for name, ours, theirs in zip(p._fields, dp, true):
        assert_close(ours, theirs, name=name)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_gradient_changes_neither_its_parameters_nor_its_state(version):
    p, h = parameters(), np.random.default_rng(1).uniform(-0.9, 0.9, 7)
    before, state = copied(p), h.copy()
    VERSIONS[version](p, np.array([1, 2, 3]), np.array([2, 3, 4]), h)
    assert np.array_equal(h, state)
    assert all(np.array_equal(a, b) for a, b in zip(p, before))


def test_both_versions_agree_along_500_iterations_at_the_same_parameters():
    """Lock-step: at each iteration both are asked about the same weights, chunk and state."""
    worst = {"loss": 0.0, "gradients": 0.0, "state": 0.0}
    asked = []

    def both(p, inputs, targets, h):
        slow, fast = step_by_step(p, inputs, targets, h), batched(p, inputs, targets, h)
        worst["loss"] = max(worst["loss"], relative_error(slow[0], fast[0]))
        worst["state"] = max(worst["state"], relative_error(slow[2], fast[2]))
        errors = [relative_error(a, b) for a, b in zip(slow[1], fast[1])]
        worst["gradients"] = max(worst["gradients"], *errors)
        asked.append(slow[0])
        return fast

    losses = [step.loss for step in train(TEXT, SIZE, iterations=500, gradients=both)]
    assert len(asked) == 500
    assert np.mean(losses[-50:]) < 0.9 * np.mean(losses[:50])  # the weights did move
    assert max(worst.values()) <= 1e-9, worst


def test_lock_step_would_notice_a_target_shifted_by_one():
    p, (inputs, targets) = parameters(), np.random.default_rng(1).integers(0, 11, (2, 5))
    slow, fast = (f(p, inputs, y, np.zeros(7)) for f, y in (
        (step_by_step, targets), (batched, np.roll(targets, 1))
    ))
    assert relative_error(slow[0], fast[0]) > 1e-3
    assert relative_error(slow[1].W_hy, fast[1].W_hy) > 1e-3


# The update --------------------------------------------------------------------------------------


def one_update(gradient, memory_of=()):
    """Parameters before and after one update of `train` whose gradient is what we say."""
    seen = []

    def crafted(p, inputs, targets, h):
        seen.append(copied(p))
        g = [*memory_of, gradient][len(seen) - 1]
        return 1.0, RNNParameters(*(np.full_like(w, g) for w in p)), h

    run = train(
        np.arange(40) % 5, 5, iterations=1 + len(memory_of), hidden_size=3, chunk=4,
        gradients=crafted,
    )
    for step in run:
        after = copied(step.parameters)
    return seen[-1], after


@pytest.mark.parametrize("g, clipped", [(3.0, 3.0), (7.0, 5.0), (-1e6, -5.0), (-5.0, -5.0)])
def test_the_gradient_is_clipped_element_by_element_at_five(g, clipped):
    """The first Adagrad step forgets the size, so the second shows it: m = 1 + g^2."""
    before, after = one_update(g, memory_of=[1.0])
    expected = 0.1 * clipped / np.sqrt(1 + clipped**2 + 1e-8)
    for a, b in zip(before, after):
        assert_close(a - b, np.full_like(a, expected), 1e-9)


def test_clipping_does_not_rescale_the_entries_that_fit():
    """Element-wise: a huge neighbour leaves a small entry alone (clipping by norm would not)."""
    seen = []

    def crafted(p, inputs, targets, h):
        seen.append(copied(p))
        dp = RNNParameters(*(np.ones_like(w) for w in p))
        if len(seen) == 2:
            dp.W_hh[0, 0] = 1e9
            dp.b_y[1] = -1e9
        return 1.0, dp, h

    *_, step = train(np.arange(40) % 5, 5, iterations=2, chunk=4, gradients=crafted)
    moved = RNNParameters(*(b - a for a, b in zip(seen[1], step.parameters)))
    assert_close(moved.W_hh[1, 1], -0.1 / np.sqrt(2 + 1e-8), 1e-9)
    assert_close(moved.W_hh[0, 0], -0.5 / np.sqrt(26 + 1e-8), 1e-9)
    assert_close(moved.b_y[1], 0.5 / np.sqrt(26 + 1e-8), 1e-9)


@pytest.mark.parametrize("g", [1e-5, -3e-4, 0.05])
def test_adagrad_keeps_its_epsilon_inside_the_root(g):
    before, after = one_update(g)
    step = before.W_hh[0, 0] - after.W_hh[0, 0]
    assert step == pytest.approx(0.1 * g / np.sqrt(g**2 + 1e-8), rel=1e-9)

    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    w.grad = torch.full_like(w, g)
    torch.optim.Adagrad([w], lr=0.1, eps=1e-8).step()  # sqrt(m) + 1e-8
    difference = abs(step / -w.item() - 1)
    assert difference > (0.01 if abs(g) < 1e-3 else 1e-9)


def test_the_smooth_loss_starts_at_a_uniform_guess_and_moves_by_a_thousandth():
    smooth = 25 * np.log(SIZE)
    for step in train(TEXT, SIZE, iterations=30):
        smooth = smooth * 0.999 + step.loss * 0.001
        assert step.smooth_loss == pytest.approx(smooth, rel=1e-13)
    assert 25 * np.log(SIZE) - 1 < smooth < 25 * np.log(SIZE) + 1


def test_the_first_loss_is_that_of_a_uniform_guess():
    step = next(train(TEXT, SIZE, iterations=1))
    assert step.loss == pytest.approx(25 * np.log(39), abs=0.05)
    assert step.iteration == 1


# Chunks, state, end of the text ------------------------------------------------------------------


def listing_positions(length, chunk, iterations):
    """Where the lecture's listing reads: `if p+seq_length+1 >= len(data) or n == 0: p = 0`."""
    p, positions = 0, []
    for n in range(iterations):
        if p + chunk + 1 >= length or n == 0:
            p = 0
        positions.append(p)
        p += chunk
    return positions


@pytest.mark.parametrize("length", [27, 50, 51, 52, 53, 101])
def test_chunks_follow_the_listing_and_the_state_is_reset_where_the_text_starts_again(length):
    text, calls = np.arange(length), []

    def recorded(p, inputs, targets, h):
        calls.append((inputs.copy(), targets.copy(), h.copy()))
        return batched(p, inputs, targets, h)

    steps = [
        (step.state.copy(), step.next_input)
        for step in train(text, length, iterations=9, hidden_size=5, gradients=recorded)
    ]
    positions = listing_positions(length, 25, 9)
    assert [int(inputs[0]) for inputs, _, _ in calls] == positions
    for n, (inputs, targets, h) in enumerate(calls):
        assert len(inputs) == len(targets) == 25
        assert np.array_equal(targets, inputs + 1)
        if positions[n] == 0:
            assert not h.any()
        else:
            assert np.array_equal(h, steps[n - 1][0]) and h.any()
        assert steps[n][1] == targets[-1]  # the next chunk's first input


def test_same_seed_same_run_and_another_seed_another():
    def run(seed):
        return [step.loss for step in train(TEXT, SIZE, iterations=20, seed=seed)]

    first = run(3)
    assert run(3) == first
    assert run(4) != first


def test_the_lectures_sizes_are_the_defaults():
    step = next(train(TEXT, SIZE, iterations=1))
    assert sum(w.size for w in step.parameters) == 17_939
    assert step.state.shape == (100,)


@pytest.mark.parametrize("version", VERSIONS)
def test_learns_a_short_text_by_heart(version):
    alphabet = Alphabet("one two three. ")
    text = alphabet.encode("one two three. " * 12)
    run = train(
        text, len(alphabet), iterations=700, hidden_size=32, chunk=15, gradients=VERSIONS[version]
    )
    losses = []
    for step in run:
        losses.append(step.loss)
    assert losses[0] > 0.9 * 15 * np.log(len(alphabet))
    assert np.mean(losses[-50:]) < 1.5  # 0.1 nats per character, from 2.3
    drawn = sample(
        step.parameters, step.state, step.next_input, 45, np.random.default_rng(0), 0.01
    )
    assert "one two three. one two" in alphabet.decode(drawn)


# Sampling ----------------------------------------------------------------------------------------


def test_the_same_generator_draws_the_same_text():
    p = parameters()
    a, b, c = (sample(p, np.zeros(7), 0, 50, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert len(a) == 50 and a.min() >= 0 and a.max() < 11


def test_near_temperature_zero_it_is_greedy():
    p = parameters()
    h, index, expected = np.full(7, 0.1), 3, []
    for _ in range(20):
        h = np.tanh(p.W_xh[:, index] + p.W_hh @ h + p.b_h)
        index = int((p.W_hy @ h + p.b_y).argmax())
        expected.append(index)
    drawn = sample(p, np.full(7, 0.1), 3, 20, np.random.default_rng(0), 0.01)
    assert drawn.tolist() == expected


def test_a_hot_sample_is_nearly_uniform():
    drawn = sample(parameters(), np.zeros(7), 0, 11_000, np.random.default_rng(0), 1e3)
    counts = np.bincount(drawn, minlength=11)
    assert counts.min() > 850 and counts.max() < 1150  # 1,000 each, standard deviation 30


def test_at_temperature_one_the_draws_follow_softmax():
    """A network that forgets (W_xh = W_hh = 0) has the same odds at each step."""
    p = parameters()
    p.W_xh[:], p.W_hh[:] = 0, 0
    logits = p.W_hy @ np.tanh(p.b_h) + p.b_y
    odds = np.exp(logits) / np.exp(logits).sum()
    drawn = sample(p, np.zeros(7), 0, 20_000, np.random.default_rng(0))
    assert np.bincount(drawn, minlength=11) / 20_000 == pytest.approx(odds, abs=0.015)


def test_the_first_draw_already_uses_state_and_first_character():
    p = parameters()

    def drawn(h, first):
        return sample(p, h, first, 1, np.random.default_rng(0), 0.01)[0]

    starts = [np.full(7, v) for v in (-0.9, 0.0, 0.9)]
    assert len({int(drawn(starts[0], k)) for k in range(11)}) > 1
    for h in starts:
        logits = p.W_hy @ np.tanh(p.W_xh[:, 4] + p.W_hh @ h + p.b_h) + p.b_y
        assert drawn(h, 4) == logits.argmax()


def test_state_and_next_input_continue_the_text():
    """A network that has the text by heart goes on where the chunk ended, without a gap."""
    alphabet = Alphabet("abcdefg")
    text = alphabet.encode("abcdefg" * 30)
    *_, step = train(text, 7, iterations=400, hidden_size=24, chunk=10)
    start = (399 % 20) * 10  # 210 characters hold 20 chunks, the next would need one more
    following = text[start + 10 : start + 10 + 1]
    assert step.next_input == following[0]
    drawn = sample(step.parameters, step.state, step.next_input, 12, np.random.default_rng(0), 0.01)
    assert drawn.tolist() == [(int(following[0]) + 1 + k) % 7 for k in range(12)]


def test_an_empty_sample_is_empty():
    assert sample(parameters(), np.zeros(7), 0, 0, np.random.default_rng(0)).tolist() == []


def test_large_logits_do_not_break_the_draw():
    p = parameters()
    p.b_y[4] = 1e6
    with np.errstate(all="raise", under="ignore"):
        drawn = sample(p, np.zeros(7), 0, 5, np.random.default_rng(0))
    assert drawn.tolist() == [4] * 5


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_has_to_be_above_zero(temperature):
    said = rf"temperature is {temperature}: it has to be above 0 \(0\.01 is near greedy\)"
    with pytest.raises(ValueError, match=said):
        sample(parameters(), np.zeros(7), 0, 3, np.random.default_rng(0), temperature)


@pytest.mark.parametrize("first", [11, -1])
def test_the_first_character_has_to_be_in_the_alphabet(first):
    with pytest.raises(ValueError, match=rf"token {first} at step 0 is outside .* 0\.\.10"):
        sample(parameters(), np.zeros(7), first, 3, np.random.default_rng(0))


@pytest.mark.parametrize("length", [0, 1, 26])
def test_a_text_shorter_than_a_chunk_is_refused(length):
    with pytest.raises(ValueError, match=f"has {length} characters: a chunk of 25 needs 27"):
        next(train(np.zeros(length, int), 3, iterations=1))


@pytest.mark.parametrize("bad", [5, -1])
def test_a_character_outside_the_vocabulary_is_named_with_its_place(bad):
    text = np.arange(40) % 5
    text[17] = bad
    with pytest.raises(ValueError, match=rf"character {bad} at step 17 is outside .* 0\.\.4"):
        next(train(text, 5, iterations=1))


@pytest.mark.parametrize("hidden", [0, -3])
def test_a_network_without_units_is_refused(hidden):
    with pytest.raises(ValueError, match=f"hidden_size is {hidden}: it has to be at least 1"):
        next(train(TEXT, SIZE, iterations=1, hidden_size=hidden))


@pytest.mark.parametrize("chunk", [0, -1])
def test_a_chunk_without_steps_is_refused(chunk):
    with pytest.raises(ValueError, match=f"chunk is {chunk}: it has to be at least 1"):
        next(train(TEXT, SIZE, iterations=1, chunk=chunk))


@pytest.mark.parametrize("shape", [(), (1,), (6,)])
def test_sampling_refuses_a_state_of_the_wrong_shape(shape, as_a_reader_runs_it):
    with pytest.raises(ValueError, match="state has shape .*expected"):
        sample(parameters(), np.zeros(shape), 0, 3, np.random.default_rng(0))
