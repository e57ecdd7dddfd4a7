"""Captioners: a recurrent network that reads an image and writes words.

Without attention (`Captioner`); v is the image, x_t the vector of the word before:

    before:  h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)
    now:     h_t = tanh(W_xh x_t + W_hh h_{t-1} + W_ih v + b_h)        v at each step, or once
    y_t = W_hy h_t + b_y                    p(word t) = softmax(y_t)

With attention (`AttentionCaptioner`: Show, Attend and Tell); a_1 ... a_L is the grid of features:

    h_0, c_0 = tanh(linear(m)) each,  m = relu(linear(mean of a_i))
    e_ti     = w . tanh(W_a a_i + W_h h_{t-1}),    alpha_t = softmax(e_t)
    beta_t   = sigma(w_b . h_{t-1} + b)            how much image this word needs: one number
    z_t      = beta_t sum_i alpha_ti a_i           hard attention: beta_t a_s,  s ~ alpha_t
    h_t, c_t = LSTM([x_t; z_t], h_{t-1}, c_{t-1})
    y_t      = L_o (x_t + L_h h_t + L_z z_t)

As in the paper; the authors' code puts a tanh before L_o. A caption is START w_1 ... w_n END: it
goes in without END, and what should come out is the same without START.
B batch, L places, D their width, T words, E width of x, H hidden units, V words in the vocabulary.
Sources: Karpathy and Fei-Fei (2015), v once; Xu et al. (2015), attention.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lecture_utils.models.attention import AdditiveAttention, weighted_sum
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import check_sizes
from lecture_utils.models.vgg import Images, scaled
from lecture_utils.trace import note

State = tuple[Tensor | tuple[Tensor, ...], ...]


# ---------------------------------------------------------------- without attention


class ImageRNNCell(nn.Module):
    """The lecture's step: x (B, E), v (B, N), (h,) -> (h,) with h (B, H). Notes h.

    Weights start at U(-1/sqrt H, 1/sqrt H), as in PyTorch, b_h at 0.
    """

    def __init__(self, input_size: int, image_size: int, hidden_size: int):
        super().__init__()
        bound = hidden_size**-0.5
        self.W_xh = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-bound, bound))
        self.W_hh = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-bound, bound))
        self.W_ih = nn.Parameter(torch.empty(hidden_size, image_size).uniform_(-bound, bound))
        self.b_h = nn.Parameter(torch.zeros(hidden_size))

    def start(self, batch_size: int) -> tuple[Float[Tensor, "B H"]]:
        return (self.b_h.new_zeros(batch_size, len(self.b_h)),)

    def forward(
        self, x: Float[Tensor, "B E"], v: Float[Tensor, "B N"], state: tuple[Float[Tensor, "B H"]]
    ) -> tuple[Float[Tensor, "B H"]]:
        (h,) = state
        h = torch.tanh(x @ self.W_xh.T + h @ self.W_hh.T + v @ self.W_ih.T + self.b_h)
        return (note(h=h),)


class ImageLSTMCell(LSTMCell):
    """An LSTM whose input is [x; v]: v enters all four gates, as x does. State: (h, c).

    Its first weights and notes are those of `LSTMCell`; it starts out keeping, with b_f = 1.
    """

    def __init__(self, input_size: int, image_size: int, hidden_size: int):
        super().__init__(input_size + image_size, hidden_size, forget_bias=1)

    def forward(
        self, x: Float[Tensor, "B E"], v: Float[Tensor, "B N"], state: tuple[Tensor, Tensor]
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        return super().forward(torch.cat([x, v], dim=1), state)


class Captioner(nn.Module):
    """One vector v per image. Features (B, N) and words (B, T) -> logits of each next word.

    cell: "rnn", the lecture's line, or "lstm". image: "each step", as in the lecture, or "once":
    W_ih v at the first step only, as Karpathy and Fei-Fei (2015) do it; after it, the state holds
    zeros in the place of v. Show and Tell (2015) gives v once, too, but as a word of its own before
    START. State: (h, v), or (h, c, v). Notes x and what the cell notes.
    """

    def __init__(
        self,
        vocab_size: int,
        image_size: int,
        embedding_size: int,
        hidden_size: int,
        cell: str = "lstm",
        image: str = "each step",
    ):
        super().__init__()
        check_sizes(
            vocab_size=vocab_size,
            image_size=image_size,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
        )
        if cell not in ("rnn", "lstm"):
            raise ValueError(f"cell is {cell!r}: it is 'rnn' or 'lstm'")
        if image not in ("each step", "once"):
            raise ValueError(f"image is {image!r}: it is given at 'each step' or 'once'")
        self.image_size, self.once = image_size, image == "once"
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        cell_type = ImageRNNCell if cell == "rnn" else ImageLSTMCell
        self.cell = cell_type(embedding_size, image_size, hidden_size)
        self.readout = nn.Linear(hidden_size, vocab_size)

    def start(self, features: Float[Tensor, "B N"]) -> State:
        """Before the first word."""
        if features.ndim != 2 or features.shape[1] != self.image_size:
            raise ValueError(
                f"features have shape {tuple(features.shape)}: expected (B, {self.image_size}), "
                "one vector per image, as vgg.without_head() gives"
            )
        return (*self.cell.start(len(features)), features)

    def step(self, words: Int[Tensor, "B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        """Logits of the word after `words`, and the state that goes with it."""
        check_words(words, self.embedding.num_embeddings, len(state[0]))
        *memory, v = state
        x = note(x=self.embedding(words))
        memory = self.cell(x, v, tuple(memory))
        logits = self.readout(memory[0])
        return logits, (*memory, torch.zeros_like(v) if self.once else v)

    def forward(
        self, features: Float[Tensor, "B N"], words: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T V"]:
        """Logits at each word, the right words given: `step` in a loop."""
        return _by_steps(self, words, self.start(features))


# ---------------------------------------------------------------- with attention


class Chance(NamedTuple):
    """The luck of hard attention, drawn before, so that a run can be repeated."""

    uniforms: Float[Tensor, "B T"]  # from [0, 1): which place word t looks at
    expected: Bool[Tensor, "B"]  # captions that look at all places by alpha, as soft attention does


def draw_chance(
    captions: int, words: int, generator: torch.Generator, expected: float = 0.5
) -> Chance:
    """For so many captions of so many words. expected: the share that looks by alpha instead."""
    if not 0 <= expected <= 1:
        raise ValueError(f"expected is {expected}: a share lies between 0 and 1")
    uniforms = torch.rand(captions, words, generator=generator)
    return Chance(uniforms, torch.rand(captions, generator=generator) < expected)


class AttentionCaptioner(nn.Module):
    """A grid of features per image. Features (B, L, D), words (B, T) -> logits of each next word.

    beta: with False, beta_t is 1. hard: one place a word, drawn from alpha by the `Chance` that
    `start` was given, else the likeliest; train it with `hard_attention_loss`.
    places: L, for a learned vector added to each a_i that tells where it is; 0, as in the paper,
    for none. A grid says little about where things are, beyond what can be seen near the borders.
    word_asks: h_{t-1} alone chooses alpha_t in the paper, so that the network looks before it reads
    x_t: the word just said has no say in where it looks for the next word, only for the one after.
    With True the place is chosen by [h_{t-1}; x_t].
    State: (h, c, a, W_a a), and the chance left. Notes attention (alpha, under it e), beta, z, x,
    what `LSTMCell` notes, and, if hard, chosen (B, L): 1 at the place looked at.
    """

    def __init__(
        self,
        vocab_size: int,
        feature_size: int,
        embedding_size: int,
        hidden_size: int,
        attention_hidden: int,
        beta: bool = True,
        hard: bool = False,
        places: int = 0,
        word_asks: bool = False,
    ):
        super().__init__()
        check_sizes(
            vocab_size=vocab_size,
            feature_size=feature_size,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
        )
        if places < 0:
            raise ValueError(f"places is {places}: give L, or 0 for features that keep no place")
        D, E, H = feature_size, embedding_size, hidden_size
        self.hard = hard
        self.place = nn.Parameter(torch.randn(places, D)) if places else None
        self.embedding = nn.Embedding(vocab_size, E)
        self.from_mean = nn.Linear(D, D)
        self.first_h, self.first_c = nn.Linear(D, H), nn.Linear(D, H)
        self.word_asks = word_asks
        self.attention = AdditiveAttention(D, H + E if word_asks else H, attention_hidden)
        self.beta = nn.Linear(H, 1) if beta else None
        self.lstm = LSTMCell(E + D, H, forget_bias=1)
        self.L_h, self.L_z = nn.Linear(H, E, bias=False), nn.Linear(D, E, bias=False)
        self.L_o = nn.Linear(E, vocab_size)

    def start(self, features: Float[Tensor, "B L D"], chance: Chance | None = None) -> State:
        """Before the first word. chance: for hard attention; after it the likeliest places."""
        L, D = None if self.place is None else len(self.place), self.from_mean.in_features
        if features.ndim != 3 or features.shape[2] != D or L not in (None, features.shape[1]):
            raise ValueError(
                f"features have shape {tuple(features.shape)}: expected (B, {L or 'L'}, {D}), a "
                "grid of vectors per image, as vgg.without_head('grid') gives"
            )
        if chance is not None and not self.hard:
            raise ValueError("chance was given: only hard attention (hard=True) draws places")
        a = features if self.place is None else features + self.place
        m = torch.relu(self.from_mean(a.mean(dim=1)))
        h, c = torch.tanh(self.first_h(m)), torch.tanh(self.first_c(m))
        state = (h, c, a, self.attention.keys(a))
        if not self.hard:
            return state
        B = len(features)
        if chance is None:
            chance = Chance(h.new_zeros(B, 0), h.new_zeros(B, dtype=torch.bool))
        if len(chance.uniforms) != B or chance.expected.shape != (B,):
            raise ValueError(
                f"chance is for {len(chance.uniforms)} captions: the features are of {B} images"
            )
        return (*state, *chance)

    def step(self, words: Int[Tensor, "B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        """Logits of the word after `words`, and the state that goes with it."""
        check_words(words, self.embedding.num_embeddings, len(state[0]))
        h, c, a, keys, *chance = state
        x = note(x=self.embedding(words))
        alpha = self.attention.weights(torch.cat([h, x], dim=1) if self.word_asks else h, keys)
        if self.hard:
            alpha, chance = _choose(alpha, *chance)
        beta = 1 if self.beta is None else note(beta=torch.sigmoid(self.beta(h)))
        z = note(z=beta * weighted_sum(alpha, a))
        h, c = self.lstm(torch.cat([x, z], dim=1), (h, c))
        logits = self.L_o(x + self.L_h(h) + self.L_z(z))
        return logits, (h, c, a, keys, *chance)

    def forward(
        self,
        features: Float[Tensor, "B L D"],
        words: Int[Tensor, "B T"],
        chance: Chance | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits at each word, the right words given: `step` in a loop."""
        if chance is not None and chance.uniforms.shape != words.shape:
            raise ValueError(
                f"chance has {tuple(chance.uniforms.shape)} numbers: expected one for each of the "
                f"words, {tuple(words.shape)}"
            )
        return _by_steps(self, words, self.start(features, chance))


def _choose(alpha, uniforms, expected):
    """Hard attention: 1 at one place instead of alpha, and the chance that is left."""
    if uniforms.shape[1]:
        sums = alpha.detach().cumsum(dim=1).contiguous()
        marks = uniforms[:, :1].to(sums) * sums[:, -1:]  # the sum of all is 1 but for rounding
        place = torch.searchsorted(sums, marks, right=True)[:, 0].clamp(max=alpha.shape[1] - 1)
    else:
        place = alpha.argmax(dim=1)
    one = nn.functional.one_hot(place, alpha.shape[1]).to(alpha)
    chosen = note(chosen=torch.where(expected[:, None], alpha, one))
    return chosen, (uniforms[:, 1:], expected)


# ---------------------------------------------------------------- from the image on


class ImageCaptioner(nn.Module):
    """Network and captioner as one model, to train both: images instead of features.

    network: images -> what the captioner reads, such as `vgg.without_head()`.
    """

    def __init__(self, network: nn.Module, captioner: Captioner | AttentionCaptioner):
        super().__init__()
        self.network, self.captioner = network, captioner

    def start(self, images: Images) -> State:
        return self.captioner.start(self.network(images))

    def step(self, words: Int[Tensor, "B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        return self.captioner.step(words, state)

    def forward(self, images: Images, words: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        return self.captioner(self.network(images), words)


def saliency(
    model: ImageCaptioner, images: Images, words: Int[Tensor, "B T_and_1"], cells: int = 8
) -> Float[Tensor, "B T cells cells"]:
    """Which parts of the image the probability of each word hangs on: a map that adds up to 1.

    |d log p(word t) / d pixel|, summed over colours, averaged in cells x cells squares. words: the
    whole caption, START first; maps are of all words after it. The image's floats are in -1 to 1.
    A word that no pixel changes gets the even map.
    """
    if words.ndim != 2 or words.shape[1] < 2:
        raise ValueError(
            f"words have shape {tuple(words.shape)}: expected (B, T + 1), START and at least a word"
        )
    was_training = model.training
    model.eval()
    try:
        with torch.enable_grad():
            pixels = scaled(images).detach().requires_grad_()
            logits = model(pixels, words[:, :-1])
            log_p = torch.log_softmax(logits, dim=2).gather(2, words[:, 1:, None].long())[..., 0]
            # Images do not mix, so the gradient of a sum over the batch is that of each.
            gradients = [
                torch.autograd.grad(log_p[:, t].sum(), pixels, retain_graph=True)[0]
                for t in range(log_p.shape[1])
            ]
    finally:
        model.train(was_training)
    maps = torch.stack([g.abs().sum(dim=1) for g in gradients], dim=1)
    maps = nn.functional.adaptive_avg_pool2d(maps, cells)
    total = maps.sum(dim=(2, 3), keepdim=True)
    return torch.where(total > 0, maps / total, 1 / cells**2)


# ---------------------------------------------------------------- losses


def loss(
    logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"], pad: int = 0
) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats per real word; padding does not count."""
    return -caption_log_p(logits, targets, pad).sum() / (targets != pad).sum()


def caption_log_p(
    logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"], pad: int = 0
) -> Float[Tensor, "B"]:
    """log p of each whole caption: the sum over its real words. ValueError if one has none."""
    check_words(targets, logits.shape[2])
    if targets.shape != logits.shape[:2]:
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}, logits {tuple(logits.shape)}: expected "
            "the same (B, T)"
        )
    empty = (targets == pad).all(dim=1).nonzero()
    if len(empty):
        raise ValueError(f"caption {empty[0].item()} is padding only: leave it out")
    flat = nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten().long(), ignore_index=pad, reduction="none"
    )
    return -flat.view(targets.shape).sum(dim=1)


def doubly_stochastic(
    attention: Float[Tensor, "B T L"], real: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Over a whole caption, each place should be looked at once: sum_i (1 - sum_t alpha_ti)^2.

    The paper's, the mean over captions; it is added to the loss, times lambda = 1. The authors'
    code sums over the B captions and averages over the L places: B / L times this. The alpha of a
    caption add up to its length T, so that with T < L places no caption reaches 0: the least is
    L (1 - T / L)^2, where each place got T / L. Then the term also spreads each alpha out.
    real: False at padding, which looks at nothing.
    """
    if real.shape != attention.shape[:2]:
        raise ValueError(
            f"real has shape {tuple(real.shape)}, attention {tuple(attention.shape)}: expected the "
            "same (B, T)"
        )
    looked = (attention * real[:, :, None]).sum(dim=1)
    return ((1 - looked) ** 2).sum(dim=1).mean()


def hard_attention_loss(
    logits: Float[Tensor, "B T V"],
    targets: Int[Tensor, "B T"],
    attention: Float[Tensor, "B T L"],
    chosen: Float[Tensor, "B T L"],
    baseline: float,
    policy: float = 0.1,
    entropy: float = 0.002,
    pad: int = 0,
) -> tuple[Float[Tensor, ""], float]:
    """REINFORCE: the loss whose gradient also teaches where to look, and the next baseline.

    -(log p(y | s) + policy (log p(y | s) - b) log p(s) + entropy H), the mean over captions; s are
    the places chosen, log p(s) = sum_t log alpha_t(s_t), H = sum_t of the entropy of alpha_t. The
    factor of log p(s) is a number, not a road for gradients. With policy = 1 and entropy = 0 the
    gradient is on average that of -sum_s p(s) log p(y | s), whatever b is. b <- .9 b + .1 mean of
    log p(y | s) only makes it vary less. For captions that looked by alpha itself, chosen is alpha:
    then log p(s) has no gradient, as sum_i alpha_i d log alpha_i = sum_i d alpha_i = d 1 = 0.
    attention, chosen: noted by the model, `log.stack(name, dim=1)` of `trace(gradients=True)`.
    policy, entropy: as in the authors' code (Xu et al., 2015).
    """
    if attention.shape != chosen.shape or attention.shape[:2] != targets.shape:
        raise ValueError(
            f"attention has shape {tuple(attention.shape)}, chosen {tuple(chosen.shape)}: expected "
            f"(B, T, L) both, with targets {tuple(targets.shape)}"
        )
    log_p = caption_log_p(logits, targets, pad)
    real = targets != pad
    log_alpha = attention.clamp_min(torch.finfo(attention.dtype).tiny).log()  # 0 log 0 = 0
    log_s = ((chosen.detach() * log_alpha).sum(dim=2) * real).sum(dim=1)
    H = -((attention * log_alpha).sum(dim=2) * real).sum(dim=1)
    better = log_p.detach() - baseline
    objective = log_p + policy * better * log_s + entropy * H
    return -objective.mean(), 0.9 * baseline + 0.1 * log_p.mean().item()


# ---------------------------------------------------------------- shared


def _by_steps(model, words, state):
    if words.ndim != 2 or not words.shape[1]:
        raise ValueError(
            f"words have shape {tuple(words.shape)}: expected (B, T), at least START in each row"
        )
    logits = []
    for word in words.unbind(dim=1):
        each, state = model.step(word, state)
        logits.append(each)
    return torch.stack(logits, dim=1)


def check_words(words: Int[Tensor, "*shape"], vocab_size: int, batch_size: int | None = None):
    """ValueError for a code outside the vocabulary, or another number of rows than batch_size."""
    if batch_size is not None and words.shape != (batch_size,):
        raise ValueError(
            f"words have shape {tuple(words.shape)}: expected ({batch_size},), one for each row of "
            "the state"
        )
    if words.numel() and (words.min() < 0 or words.max() >= vocab_size):
        place = ((words < 0) | (words >= vocab_size)).nonzero()[0].tolist()
        raise ValueError(
            f"the word at {place} is {words[tuple(place)]}: the model knows 0 to {vocab_size - 1}, "
            "so encode with the vocabulary that it was trained on"
        )
