"""Captioners: equal to PyTorch's cells on [x; v] and to the papers; REINFORCE by all its cases.

B, T, E, N, H, V, L, D, A = 2, 4, 5, 3, 7, 11, 6, 8, 9: no two axes alike.
"""

from itertools import product

import pytest
import torch
from torch import nn

from lecture_utils.gradcheck import assert_causal, assert_close
from lecture_utils.models.captioner import (
    AttentionCaptioner,
    Captioner,
    Chance,
    ImageCaptioner,
    caption_log_p,
    doubly_stochastic,
    draw_chance,
    hard_attention_loss,
    loss,
    saliency,
)
from lecture_utils.models.vgg import VGG, scaled
from lecture_utils.trace import trace
from tests.reference import lstm_blocks

B, T, E, N, H, V, L, D, A = 2, 4, 5, 3, 7, 11, 6, 8, 9


pytestmark = pytest.mark.usefixtures("float64")


def words(batch=B, length=T):
    return torch.randint(4, V, (batch, length), generator=torch.Generator().manual_seed(2))


def shaken(model):
    """With random biases, so that a lost one is seen."""
    for p in model.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return model


def plain(cell="lstm", image="each step"):
    return shaken(Captioner(V, N, E, H, cell, image))


def attentive(**options):
    return shaken(AttentionCaptioner(V, D, E, H, A, **options))


def assert_same_gradients(ours, wanted, inputs, tolerance=1e-10):
    weight = torch.randn_like(wanted)
    found = torch.autograd.grad((weight * ours).sum(), inputs, retain_graph=True)
    expected = torch.autograd.grad((weight * wanted).sum(), inputs)
    for g, w in zip(found, expected, strict=True):
        assert_close(g, w, tolerance)


# Without attention -------------------------------------------------------------------------------


def torch_cell(cell, kind):
    """nn.RNNCell or nn.LSTMCell that reads [x; v] with our weights, as part of our graph."""
    if kind == "rnn":
        blocks = {
            "weight_ih": torch.cat([cell.W_xh, cell.W_ih], dim=1),
            "weight_hh": cell.W_hh,
            "bias_ih": cell.b_h / 2,
            "bias_hh": cell.b_h / 2,
        }
        module = nn.RNNCell(E + N, H)
    else:
        blocks, module = lstm_blocks(cell.W, cell.b), nn.LSTMCell(E + N, H)
    return lambda x, state: torch.func.functional_call(module, blocks, (x, state))


def by_torch(model, kind, image, features, codes):
    step, xs = torch_cell(model.cell, kind), model.embedding(codes)
    h = torch.zeros(B, H)
    state, hs = (h if kind == "rnn" else (h, h)), []
    for t in range(codes.shape[1]):
        v = features if image == "each step" or t == 0 else torch.zeros(B, N)
        state = step(torch.cat([xs[:, t], v], dim=1), state)
        hs.append(state if kind == "rnn" else state[0])
    return torch.stack(hs, dim=1) @ model.readout.weight.T + model.readout.bias


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
@pytest.mark.parametrize("image", ["each step", "once"])
def test_equal_to_pytorchs_cell_on_word_and_image(kind, image):
    model, features = plain(kind, image), torch.randn(B, N).requires_grad_()
    ours, wanted = model(features, words()), by_torch(model, kind, image, features, words())
    assert ours.shape == (B, T, V)
    assert_close(ours, wanted, 1e-12)
    assert_same_gradients(ours, wanted, [features, *model.parameters()])
    other = "once" if image == "each step" else "each step"
    with pytest.raises(AssertionError):
        assert_close(ours, by_torch(model, kind, other, features, words()), 1e-3)


def test_the_lectures_line_with_numbers_one_can_check():
    """tanh(.5 x + .25 h - v + .1) with x = 2, h = 0, v = 1: tanh(.1)."""
    cell = Captioner(1, 1, 1, 1, "rnn").cell
    for p, value in zip((cell.W_xh, cell.W_hh, cell.W_ih, cell.b_h), (0.5, 0.25, -1.0, 0.1)):
        p.data.fill_(value)
    (h,) = cell(torch.full((1, 1), 2.0), torch.ones(1, 1), cell.start(1))
    assert_close(h, torch.full((1, 1), 0.1).tanh(), 1e-15)
    (h,) = cell(torch.full((1, 1), 2.0), torch.ones(1, 1), (h,))
    assert_close(h, (0.25 * torch.full((1, 1), 0.1).tanh() + 0.1).tanh(), 1e-15)


def test_v_of_zero_leaves_the_vanilla_network():
    model, codes = plain("rnn"), words()
    theirs = nn.RNN(E, H, batch_first=True)
    cell = model.cell
    for name, value in (("weight_ih", cell.W_xh), ("weight_hh", cell.W_hh), ("bias_ih", cell.b_h)):
        getattr(theirs, f"{name}_l0").data.copy_(value)
    theirs.bias_hh_l0.data.zero_()
    hs = theirs(model.embedding(codes))[0]
    assert_close(model(torch.zeros(B, N), codes), model.readout(hs), 1e-12)


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
def test_once_means_that_the_image_is_gone_after_the_first_step(kind):
    features = torch.randn(B, N)
    for image, kept in (("each step", True), ("once", False)):
        model = plain(kind, image)
        _, state = model.step(words()[:, 0], model.start(features))
        assert torch.equal(state[-1], features) == kept
        assert (state[-1] == 0).all() == (not kept)


# With attention ----------------------------------------------------------------------------------


def by_equations(model, a, codes, alphas=None, wrong=None):
    """The module's docstring with other means: nn.LSTMCell, nn.functional, one image at a time.

    alphas: looks by these (B, T, L) instead. wrong: a slip, to see that it would be noticed.
    """
    module, blocks = nn.LSTMCell(E + D, H), lstm_blocks(model.lstm.W, model.lstm.b)
    rows = []
    for b in range(len(a)):
        places = a[b] if model.place is None else a[b] + model.place
        m = nn.functional.linear(places.mean(0), model.from_mean.weight, model.from_mean.bias)
        m = m.clamp(min=0)
        h, c = (torch.tanh(f.weight @ m + f.bias) for f in (model.first_h, model.first_c))
        row = []
        for t, code in enumerate(codes[b]):
            x = model.embedding.weight[code]
            asks = model.attention.W_h[:, :H] @ h
            if model.word_asks:
                asks = asks + model.attention.W_h[:, H:] @ x
            e = torch.stack(
                [
                    model.attention.w @ torch.tanh(model.attention.W_a @ place + asks)
                    for place in places
                ]
            )
            alpha = torch.softmax(e, 0) if alphas is None else alphas[b, t]
            z = alpha @ places
            if model.beta is not None and wrong != "no beta":
                z = z * torch.sigmoid(model.beta.weight[0] @ h + model.beta.bias[0])
            before = h
            h, c = torch.func.functional_call(module, blocks, (torch.cat([x, z]), (h, c)))
            out = x + model.L_h.weight @ (before if wrong == "old h" else h)
            out = out + (0 if wrong == "no z" else model.L_z.weight @ z)
            out = torch.tanh(out) if wrong == "tanh" else out
            row.append(model.L_o.weight @ out + model.L_o.bias)
        rows.append(torch.stack(row))
    return torch.stack(rows)


@pytest.mark.parametrize("options", [{}, {"beta": False}, {"places": L}, {"word_asks": True}])
def test_equal_to_show_attend_and_tell(options):
    model, a = attentive(**options), torch.randn(B, L, D).requires_grad_()
    ours, wanted = model(a, words()), by_equations(model, a, words())
    assert ours.shape == (B, T, V)
    assert_close(ours, wanted, 1e-12)
    assert_same_gradients(ours, wanted, [a, *model.parameters()])


@pytest.mark.parametrize("wrong", ["no beta", "no z", "old h", "tanh"])
def test_a_slip_in_the_equations_is_noticed(wrong):
    model, a = attentive(), torch.randn(B, L, D)
    with pytest.raises(AssertionError):
        assert_close(model(a, words()), by_equations(model, a, words(), wrong=wrong), 1e-3)


def test_what_it_notes_is_what_it_did():
    model, a = attentive(), torch.randn(B, L, D)
    with trace(model) as log:
        model(a, words())
    alpha, beta, z = (log.stack(name, dim=1) for name in ("attention", "beta", "z"))
    assert alpha.shape == (B, T, L) and beta.shape == (B, T, 1) and z.shape == (B, T, D)
    assert_close(alpha.sum(2), torch.ones(B, T), 1e-13)
    assert ((beta > 0) & (beta < 1)).all()
    assert_close(z, beta * (alpha @ a), 1e-13)
    assert log.stack("lstm.h", 1).shape == (B, T, H)
    everywhere = torch.full((B, L), 1 / L)
    with trace(change={"attention": lambda _: everywhere}):
        logits = model(a, words())
    wanted = by_equations(model, a, words(), alphas=everywhere[:, None].expand(B, T, L))
    assert_close(logits, wanted, 1e-12)


def test_without_places_it_cannot_tell_where_things_are():
    order = torch.randperm(L)
    a = torch.randn(B, L, D)
    model = attentive()
    assert_close(model(a[:, order], words()), model(a, words()), 1e-12)
    model = attentive(places=L)
    assert (model(a[:, order], words()) - model(a, words())).abs().max() > 1e-3


@pytest.mark.parametrize("word_asks", [False, True])
def test_it_looks_before_it_reads_the_word_just_said(word_asks):
    model, a = attentive(word_asks=word_asks), torch.randn(B, L, D)
    other = words().clone()
    other[:, 1] = 4 + (other[:, 1] - 3) % (V - 4)  # any other word
    with trace() as log:
        model(a, words())
        model(a, other)
    alphas = log.stack("attention", dim=1)
    same = [torch.equal(alphas[:, t], alphas[:, T + t]) for t in range(T)]
    assert same == [True, not word_asks, False, False]  # else the word at 1 works from 2 on


# Both --------------------------------------------------------------------------------------------


def models():
    return [
        (plain("rnn"), torch.randn(B, N)),
        (plain("lstm", "once"), torch.randn(B, N)),
        (attentive(), torch.randn(B, L, D)),
        (attentive(hard=True, word_asks=True), torch.randn(B, L, D)),
    ]


@pytest.mark.parametrize("which", range(4))
def test_no_word_sees_a_later_one(which):
    model, features = models()[which]
    assert_causal(lambda codes: model(features, codes), words())
    xs = model.embedding(words()).detach()

    def by_vectors(xs):
        """As `model`, the words' vectors instead of their codes: gradients are exactly 0."""
        each = iter(xs.unbind(1))
        with trace(change={"x": lambda _: next(each)}):
            return model(features, words())

    assert_causal(by_vectors, xs)


@pytest.mark.parametrize("which", range(4))
def test_a_state_has_its_images_in_the_first_axis_of_each_part(which):
    """What beam search does: rows of a state chosen, repeated, in another order."""
    model, features = models()[which]
    _, state = model.step(words()[:, 0], model.start(features))
    rows = torch.tensor([1, 0, 1])
    chosen = tuple(part[rows] for part in state)
    logits, _ = model.step(words()[rows, 1], chosen)
    wanted, _ = model.step(words()[:, 1], state)
    assert_close(logits, wanted[rows], 1e-12)
    assert all(len(part) == B for part in state)


@pytest.mark.parametrize("which", range(4))
def test_a_batch_is_its_images_one_by_one(which):
    model, features = models()[which]
    both = model(features, words())
    for b in range(B):
        assert_close(model(features[b : b + 1], words()[b : b + 1]), both[b : b + 1], 1e-12)


# Hard attention ----------------------------------------------------------------------------------


def hard_case(length=T):
    model, a = attentive(hard=True), torch.randn(B, L, D).requires_grad_()
    chance = draw_chance(B, length, torch.Generator().manual_seed(3), expected=0)
    return model, a, chance


def test_each_word_looks_at_one_place_drawn_by_its_number():
    model, a, chance = hard_case()
    with trace(gradients=True) as log:
        logits = model(a, words(), chance)
    alpha, chosen = log.stack("attention", 1), log.stack("chosen", 1)
    assert ((chosen == 1).sum(2) == 1).all() and (chosen.sum(2) == 1).all()
    for b, t in product(range(B), range(T)):  # the place in whose stretch of [0, 1) the number lies
        place, upper = 0, alpha[b, t, 0].item()
        while chance.uniforms[b, t] >= upper:
            place += 1
            upper += alpha[b, t, place].item()
        assert chosen[b, t, place] == 1
    assert_close(logits, by_equations(model, a, words(), alphas=chosen), 1e-12)


def test_places_are_drawn_as_often_as_alpha_says():
    model, a, _ = hard_case()
    with torch.no_grad():
        state = model.start(a[:1])
        with trace() as log:
            model.step(words()[:1, 0], state)
        alpha = log["attention"][0][0]
        uniforms = (torch.arange(1000) + 0.5)[:, None] / 1000
        many = Chance(uniforms, torch.zeros(1000, dtype=torch.bool))
        with trace() as log:
            model.step(words()[0, 0].repeat(1000), model.start(a[:1].expand(1000, L, D), many))
    assert (log["chosen"][0].mean(0) - alpha).abs().max() < 1.5 / 1000


def test_numbers_at_the_ends_and_what_is_left_without_numbers():
    model, a, _ = hard_case()
    with torch.no_grad():
        ends = torch.tensor([[0.0], [1 - 2**-53]])
        chance = Chance(ends, torch.zeros(B, dtype=torch.bool))
        with trace() as log:
            _, state = model.step(words()[:, 0], model.start(a, chance))
            model.step(words()[:, 1], state)
            model.step(words()[:, 0], model.start(a))
    first, then, alone = log["chosen"]
    assert first.argmax(1).tolist() == [0, L - 1]
    assert torch.equal(then.argmax(1), log["attention"][1].argmax(1))
    assert torch.equal(alone.argmax(1), log["attention"][2].argmax(1))


def test_captions_that_look_by_alpha_are_those_of_soft_attention():
    model, a, chance = hard_case()
    soft = attentive()
    soft.load_state_dict(model.state_dict())
    mixed = Chance(chance.uniforms, torch.tensor([True, False]))
    logits, wanted = model(a, words(), mixed), soft(a, words())
    assert_close(logits[0], wanted[0], 1e-14)
    assert (logits[1] - wanted[1]).abs().max() > 1e-3


def test_luck_is_repeated_by_its_seed_and_half_of_the_captions_are_expected():
    one, same = (draw_chance(2000, 3, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one.uniforms, same.uniforms) and torch.equal(one.expected, same.expected)
    assert abs(one.expected.double().mean() - 0.5) < 0.05
    assert draw_chance(9, 3, torch.Generator(), expected=1).expected.all()


def every_choice(places, length):
    """All sequences of places, each (T, L) with 1 where it looks."""
    eye = torch.eye(places)
    return [torch.stack([eye[i] for i in seq]) for seq in product(range(places), repeat=length)]


@pytest.mark.parametrize("baseline", [0.0, -3.7])
def test_reinforce_is_right_on_average(baseline):
    """All 3^2 ways to look, each with its probability: exactly the gradient of the expectation."""
    places, length = 3, 2
    model, a = attentive(hard=True), torch.randn(1, places, D)
    codes, targets = words(1, length), words(1, length).flip(1)
    parameters = list(model.parameters())

    def run(choice):
        """Logits, alpha and what was chosen, looking where `choice` (T, L) says."""
        each = iter(choice)
        with trace(gradients=True, change={"chosen": lambda _: next(each)[None]}) as log:
            logits = model(a, codes)
        return logits, log.stack("attention", 1), log.stack("chosen", 1)

    def average(**options):
        total = [torch.zeros_like(p) for p in parameters]
        for choice in every_choice(places, length):
            logits, alpha, chosen = run(choice)
            p_s = (alpha * chosen).sum(2).prod(1).item()
            value, _ = hard_attention_loss(
                logits, targets, alpha, chosen, baseline, entropy=0, **options
            )
            gradient = torch.autograd.grad(value, parameters, materialize_grads=True)
            total = [old + p_s * g for old, g in zip(total, gradient)]
        return total

    expectation, certain = 0, 0
    for choice in every_choice(places, length):
        logits, alpha, chosen = run(choice)
        p_s = (alpha * chosen).sum(2).prod(1)
        expectation = expectation - p_s * caption_log_p(logits, targets)
        certain += p_s.item()
    assert abs(certain - 1) < 1e-13
    wanted = torch.autograd.grad(expectation, parameters, materialize_grads=True)
    names = [name for name, _ in model.named_parameters()]
    for name, mine, theirs in zip(names, average(policy=1.0), wanted):
        assert_close(mine, theirs, 1e-9, name)
    w = names.index("attention.w")  # only the policy term teaches where to look
    assert wanted[w].abs().max() > 1e-4
    with pytest.raises(AssertionError):
        assert_close(average(policy=0.1)[w], wanted[w], 1e-2)


def test_the_loss_of_hard_attention_by_hand():
    """Two words, one of them padding, two places: every number by hand."""
    logits = torch.tensor([[[0.0, 0.0, 0.0, 0.0]] * 2])  # log p = log 1/4
    targets = torch.tensor([[2, 0]])
    alpha = torch.tensor([[[0.25, 0.75], [0.5, 0.5]]]).requires_grad_()
    chosen = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    value, baseline = hard_attention_loss(logits, targets, alpha, chosen, -1.0)
    log_p, log_s = torch.tensor(0.25).log(), torch.tensor(0.75).log()
    entropy = -(0.25 * torch.tensor(0.25).log() + 0.75 * log_s)
    wanted = -(log_p + 0.1 * (log_p + 1) * log_s + 0.002 * entropy)
    assert_close(value, wanted, 1e-14)
    assert baseline == pytest.approx(0.9 * -1 + 0.1 * log_p.item(), abs=1e-15)
    value.backward()
    assert (alpha.grad[0, 1] == 0).all() and alpha.grad[0, 0, 1] != 0


def test_where_alpha_itself_is_used_the_policy_term_teaches_nothing():
    e = torch.randn(B, T, L).requires_grad_()
    alpha = torch.softmax(e, 2)
    logits = torch.randn(B, T, V)
    value, _ = hard_attention_loss(logits, words(), alpha, alpha, 5.0, policy=1.0, entropy=0)
    (gradient,) = torch.autograd.grad(value, e)
    assert gradient.abs().max() < 1e-14


def test_a_place_of_probability_zero_gives_no_nan():
    alpha = torch.tensor([[[1.0, 0.0]]]).requires_grad_()
    value, _ = hard_attention_loss(
        torch.zeros(1, 1, 4), torch.tensor([[3]]), alpha, alpha.detach(), 0.0
    )
    value.backward()
    assert value.isfinite() and alpha.grad.isfinite().all()


# Losses ------------------------------------------------------------------------------------------


def test_loss_is_cross_entropy_per_real_word():
    logits, targets = torch.randn(B, T, V), words()
    targets[1, 2:] = 0
    theirs = nn.functional.cross_entropy(logits.transpose(1, 2), targets, ignore_index=0)
    assert_close(loss(logits, targets), theirs, 1e-14)
    changed = logits.clone()
    changed[1, 2:] = 100 * torch.randn(2, V)
    assert_close(loss(changed, targets), theirs, 1e-14)
    assert_close(caption_log_p(logits, targets).sum(), -6 * theirs, 1e-14)
    log_p = torch.log_softmax(logits[1], 1)
    assert_close(caption_log_p(logits, targets)[1], log_p[[0, 1], targets[1, :2]].sum(), 1e-14)
    untrained = loss(torch.zeros(B, T, V), targets)
    assert_close(untrained, torch.tensor(float(V)).log(), 1e-14)


def test_doubly_stochastic_is_the_papers_and_the_code_has_another_factor():
    """3 captions, 4 places. Looks add up to 1 1 0 0, 2 0 0 0 and, with padding, 1 0 0 0.

    So (1 - sum)^2 is 0 0 1 1, 1 1 1 1 and 0 1 1 1: 2, 4 and 3.
    """
    first, second = [1.0, 0, 0, 0], [0, 1.0, 0, 0]
    alpha = torch.tensor([[first, second], [first, first], [first, first]])
    real = torch.tensor([[True, True], [True, True], [True, False]])
    ours = doubly_stochastic(alpha, real)
    assert ours == 3  # the paper's: mean of 2, 4, 3
    looked = (alpha * real[:, :, None]).sum(1)
    code = ((1 - looked) ** 2).sum(0).mean()  # over the batch, then over places
    assert code == 9 / 4 == ours * 3 / 4  # B / L times


def test_the_least_of_the_doubly_stochastic_term_is_even_attention():
    real = torch.ones(1, T, dtype=torch.bool)
    even = doubly_stochastic(torch.full((1, T, L), 1 / L), real)
    assert_close(even, torch.tensor(L * (1 - T / L) ** 2), 1e-14)
    for _ in range(20):
        assert doubly_stochastic(torch.softmax(torch.randn(1, T, L), 2), real) > even


# Learning ----------------------------------------------------------------------------------------


def train(run, targets, parameters, steps, lr=1e-2):
    optimizer = torch.optim.Adam(parameters, lr)
    for _ in range(steps):
        value = loss(run(), targets)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return run().argmax(2)


@pytest.mark.parametrize("cell, image", [("rnn", "each step"), ("lstm", "once")])
def test_eight_images_and_their_captions_by_heart(cell, image):
    torch.set_default_dtype(torch.float32)
    images = torch.rand(8, 3, 16, 16) * 2 - 1
    captions = torch.randint(4, V, (8, 6))
    captions[:, 0] = 1
    captions[::2, -1] = 0  # padding
    network = VGG(2, (4, 8), 16, 16).without_head()
    model = ImageCaptioner(network, Captioner(V, 16, 8, 32, cell, image))
    targets = captions[:, 1:]
    found = train(lambda: model(images, captions[:, :-1]), targets, model.parameters(), 150)
    assert torch.equal(found[targets != 0], targets[targets != 0])


def one_place_tells(count, places=9):
    """A grid of noise, in which one place has the mark and shows the word; the others show others.

    Returns features, words, targets and the place."""
    a = 0.1 * torch.randn(count, places, D)
    where = torch.arange(count) % places
    shown = torch.randint(0, 4, (count, places))
    a[:, :, :4] += nn.functional.one_hot(shown, 4)
    a[torch.arange(count), where, 5] += 1
    target = 4 + shown[torch.arange(count), where]
    return a, torch.ones(count, 1, dtype=torch.long), target[:, None], where


def test_soft_attention_finds_the_one_place_that_tells():
    torch.set_default_dtype(torch.float32)
    a, start, targets, _ = one_place_tells(180)
    model = AttentionCaptioner(V, D, 8, 16, 16)
    train(lambda: model(a, start), targets, model.parameters(), 120, lr=2e-2)
    a, start, targets, where = one_place_tells(90)
    with trace() as log:
        found = model(a, start).argmax(2)
    assert (found == targets).double().mean() > 0.95
    mass = log["attention"][0][torch.arange(90), where]
    assert mass.mean() > 0.9  # chance: 1 / 9


def test_hard_attention_finds_it_too():
    torch.set_default_dtype(torch.float32)
    luck = torch.Generator().manual_seed(5)
    a, start, targets, _ = one_place_tells(180)
    model = AttentionCaptioner(V, D, 8, 16, 16, hard=True)
    optimizer, baseline = torch.optim.Adam(model.parameters(), 2e-2), -1.5
    for _ in range(200):
        with trace(gradients=True, only={"attention", "chosen"}) as log:
            logits = model(a, start, draw_chance(180, 1, luck))
        value, baseline = hard_attention_loss(
            logits, targets, log.stack("attention", 1), log.stack("chosen", 1), baseline
        )
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    a, start, targets, where = one_place_tells(90)
    with trace() as log:
        found = model(a, start).argmax(2)
    assert (found == targets).double().mean() > 0.9
    assert (log["chosen"][0].argmax(1) == where).double().mean() > 0.9


# From the image on -------------------------------------------------------------------------------


def whole(attention=False):
    torch.manual_seed(1)
    vgg = VGG(2, (4, D), 6, 16)
    if attention:
        return ImageCaptioner(vgg.without_head("grid"), AttentionCaptioner(V, D, E, H, A))
    return ImageCaptioner(vgg.without_head(), Captioner(V, 6, E, H))


def pictures(batch=B):
    return torch.randint(0, 256, (batch, 3, 16, 16), dtype=torch.uint8)


@pytest.mark.parametrize("attention", [False, True])
def test_from_images_it_is_the_captioner_of_the_features(attention):
    model, images = whole(attention), pictures()
    features = model.network(images)
    assert torch.equal(model(images, words()), model.captioner(features, words()))
    state = model.start(images)
    for t in range(T):
        logits, state = model.step(words()[:, t], state)
        assert_close(logits, model(images, words())[:, t], 1e-13)


@pytest.mark.parametrize("attention", [False, True])
def test_saliency_is_the_gradient_of_each_words_log_p(attention):
    model, images = whole(attention), pictures()
    maps = saliency(model, images, words(), cells=4)
    assert maps.shape == (B, T - 1, 4, 4) and not maps.requires_grad
    assert_close(maps.sum((2, 3)), torch.ones(B, T - 1), 1e-13)
    b, t = 1, 2
    pixels = scaled(images[b : b + 1]).requires_grad_()
    p = torch.softmax(model(pixels, words()[b : b + 1, :-1]), 2)[0, t, words()[b, t + 1]]
    (gradient,) = torch.autograd.grad(p.log(), pixels)
    for i, j in product(range(4), range(4)):
        cell = gradient[0, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4].abs().sum()
        assert_close(maps[b, t, i, j], cell / gradient.abs().sum(), 1e-10)
    with torch.no_grad():  # as in a notebook that looks at many images
        assert torch.equal(saliency(model, images, words(), cells=4), maps)
    assert model.training and all(p.grad is None for p in model.parameters())


def test_an_image_without_influence_has_an_even_map():
    model = whole()
    model.captioner.cell.W.data[:, H + E :] = 0
    assert (saliency(model, pictures(), words()) == 1 / 64).all()


# Bad input ---------------------------------------------------------------------------------------


def targets_of(last):
    return torch.tensor([[4, last], [4, 5]])


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: Captioner(V, N, E, H, "gru"), "cell is 'gru': it is 'rnn' or 'lstm'"),
        (lambda: Captioner(V, N, E, H, image="twice"), "image is 'twice'"),
        (lambda: Captioner(V, 0, E, H), "image_size is 0"),
        (lambda: AttentionCaptioner(V, D, E, H, 0), "hidden is 0"),
        (lambda: attentive(places=-1), "places is -1: give L, or 0"),
        (lambda: AttentionCaptioner(0, D, E, H, A), "vocab_size is 0"),
        (lambda: plain()(torch.zeros(B, L, D), words()), r"\(2, 6, 8\): expected \(B, 3\)"),
        (lambda: attentive()(torch.zeros(B, D), words()), r"\(2, 8\): expected \(B, L, 8\)"),
        (lambda: attentive(places=5).start(torch.zeros(B, L, D)), r"expected \(B, 5, 8\)"),
        (lambda: plain()(torch.zeros(B, N), words()[0]), r"words have shape \(4,\): expected \(B"),
        (lambda: plain()(torch.zeros(B, N), words()[:, :0]), "at least START"),
        (lambda: plain()(torch.zeros(3, N), words()), r"\(2,\): expected \(3,\)"),
        (lambda: plain()(torch.zeros(B, N), words() + 20), r"knows 0 to 10"),
        (lambda: attentive()(torch.zeros(B, L, D), -words()), r"the word at \[0\] is -"),
        (
            lambda: attentive().start(torch.zeros(B, L, D), hard_case()[2]),
            "only hard attention",
        ),
        (
            lambda: attentive(hard=True)(torch.zeros(B, L, D), words(), hard_case(3)[2]),
            r"\(2, 3\) numbers: expected one for each of the words, \(2, 4\)",
        ),
        (
            lambda: attentive(hard=True).start(torch.zeros(3, L, D), hard_case()[2]),
            "for 2 captions: the features are of 3 images",
        ),
        (lambda: loss(torch.zeros(2, 2, V), targets_of(11)), r"\[0, 1\] is 11: the model knows"),
        (lambda: loss(torch.zeros(2, 3, V), targets_of(5)), r"targets have shape \(2, 2\)"),
        (lambda: loss(torch.zeros(2, 2, V), targets_of(5) * 0), "caption 0 is padding only"),
        (
            lambda: doubly_stochastic(torch.zeros(2, 3, 4), torch.ones(2, 2, dtype=torch.bool)),
            r"real has shape \(2, 2\)",
        ),
        (
            lambda: hard_attention_loss(
                torch.zeros(2, 2, V), targets_of(5), torch.ones(2, 2, L), torch.ones(2, 1, L), 0.0
            ),
            r"chosen \(2, 1, 6\): expected \(B, T, L\) both",
        ),
        (lambda: saliency(whole(), pictures(), words()[:, :1]), "START and at least a word"),
        (lambda: draw_chance(2, 3, torch.Generator(), expected=1.5), "expected is 1.5"),
    ],
)
def test_bad_input_is_refused(call, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        call()
