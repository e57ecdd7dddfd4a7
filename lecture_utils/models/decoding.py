"""From a step to a caption: greedy, at random, or by beam search.

    p(w_t | before) = softmax(logits_t)        logits_t, state_t = step(w_{t-1}, state_{t-1})
    log p(w)        = sum_t log p(w_t | before)                     w_0 is START, w_T is END

    greedy          w_t = argmax p(. | before)
    at random       w_t drawn with p(. | before)^(1 / temperature), made to sum to 1
    beam search     B_t = of all one-word extensions of those in B_{t-1}, without the ended ones,
                          the `width` with the highest log p
                    score(w) = log p(w) / T^power

A chain of best words is not the best chain. Greedy commits itself to a first word because it is
likely, whatever can follow it; a beam keeps `width` ways open. It is still no search of everything:
what B_t drops is gone, even if it was about to win, so that a wider beam finds better captions as a
rule, not always. A beam of width 1 is greedy.

log p falls with every word: whoever ranks by it (power 0) favours short captions. power 1 ranks by
the mean per word. When may the search stop? No word can raise log p, and no caption is longer than
`longest`, so that all continuations of a w not yet ended score at most log p(w) / longest^power.
Once a finished caption scores as much as that for each w in B_t, none of them can win. The higher
the power and `longest`, the later this comes.

Nothing is known here of images and models. step(words (B,), state) -> (logits (B, V), state) is
anything that says how the next word is distributed; a state is a tensor or a tuple (or list) of
states, first axis B. A network is best in `.eval()` when it is asked.

B images, V words in the vocabulary, T words in a caption, END among them.
Sources: beam search in captioning as in Vinyals et al. (2015), who found greedy about 2 BLEU below
a beam of 20. Dividing by T: Jean et al. (2015); Wu et al. (2016) take ((5 + T) / 6)^power instead.
Stopping: Huang, Zhao and Ma (2017) for the question; the bound here is derived above.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lecture_utils.models.pixels import draw
from lecture_utils.models.recurrent import check_sizes

State = Tensor | Sequence
Step = Callable[[Int[Tensor, "B"], State], tuple[Float[Tensor, "B V"], State]]


def take_rows(state: State, rows: Sequence[int]) -> State:
    """The state of these rows of the batch, in this order; one may be taken several times."""
    if isinstance(state, Tensor):
        return state[torch.as_tensor(rows, device=state.device)]
    parts = [take_rows(part, rows) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)


# ---------------------------------------------------------------- one word after the other


class Decoded(NamedTuple):
    """One caption per image, without START and END."""

    words: list[list[int]]
    log_p: list[list[float]]  # of each word given those before it, in nats; END's comes last
    finished: list[bool]  # False: cut off before END


def greedy(
    step: Step, state: State, start: int, end: int, longest: int, never: tuple[int, ...] = ()
) -> Decoded:
    """The likeliest word each time; of equally likely ones that with the smallest code.

    longest: a caption has at most so many words, END among them. never: words that are not to be
        said, such as PAD, START and UNK; the probabilities of the others are made to sum to 1.
    ValueError for logits that are no distribution, codes outside the vocabulary, longest below 1,
    or parts of the state that differ in their first axis.
    """

    def likeliest(log_p, t):
        return log_p.argmax(dim=1)

    return _decode(step, state, start, end, longest, never, likeliest)


def sampled(
    step: Step,
    state: State,
    start: int,
    end: int,
    uniforms: Float[Tensor, "B longest"],
    temperature: float = 1.0,
    never: tuple[int, ...] = (),
) -> Decoded:
    """A word drawn each time: the one into whose share of [0, 1) the uniform number falls.

    uniforms: such as torch.rand(B, longest, generator=...), one number for each word that may be
        drawn. Shares lie side by side in the order of the codes.
    temperature: above 0; below 1 likely words become likelier. `log_p` is of the model as it is,
        whatever the temperature.
    never and errors: as in `greedy`.
    """
    B = _batch_size(state)
    if uniforms.ndim != 2 or len(uniforms) != B:
        raise ValueError(
            f"uniform numbers have shape {tuple(uniforms.shape)}: expected ({B}, longest), one for "
            "each word that may be drawn"
        )
    uniforms = uniforms.cpu()

    def drawn(log_p, t):
        return draw(log_p, uniforms[:, t], temperature)

    return _decode(step, state, start, end, uniforms.shape[1], never, drawn)


@torch.no_grad()
def _decode(step, state, start, end, longest, never, choose):
    """choose(log_p (B, V), t) -> words (B,)."""
    check_sizes(longest=longest)
    B, device = _batch_size(state), _tensors(state)[0].device
    captions, log_ps, finished = [[] for _ in range(B)], [[] for _ in range(B)], [False] * B
    words = torch.full((B,), start, device=device)
    for t in range(longest):
        logits, state = step(words, state)
        log_p = _log_probabilities(logits, B, start, end, never)
        words = choose(log_p, t)
        for b, word in enumerate(words.tolist()):
            if finished[b]:
                continue  # it runs along with the others, and nobody listens
            log_ps[b].append(log_p[b, word].item())
            if word == end:
                finished[b] = True
            else:
                captions[b].append(word)
        if all(finished):
            break
        words = words.to(device)
    return Decoded(captions, log_ps, finished)


# ---------------------------------------------------------------- beam search


class Node(NamedTuple):
    """One candidate of beam search: its last word, and where in the tree the others are.

    fate: "kept" (one of the `width` best at its depth, and extended), "finished" (one of them, and
    ends), "unfinished" (one of them, cut off at `longest`), "beaten" (one of them when the search
    stopped: it could no longer win) or "dropped" (not one of them).
    """

    parent: int  # its place in the list of nodes; of the first node, START, -1
    depth: int  # T so far; START's is 0
    word: int
    log_p: float  # of this word given those before it
    total: float  # log p of all words so far
    score: float
    fate: Literal["kept", "finished", "unfinished", "beaten", "dropped"]


class Hypothesis(NamedTuple):
    """A caption that beam search found, without START and END."""

    words: list[int]
    log_p: list[float]  # as in `Decoded`
    score: float  # sum(log_p) / len(log_p) ** length_power
    finished: bool


def beam_search(
    step: Step,
    state: State,
    start: int,
    end: int,
    width: int,
    longest: int,
    length_power: float = 0.0,
    never: tuple[int, ...] = (),
) -> list[Hypothesis]:
    """What beam search finds for one image (a state with B = 1), best first.

    These are all hypotheses that ended, then those cut off at `longest`. As the search stops when
    it is clear which is best, it is not searched for the others: the second of the list need not
    be the second best. Arguments and errors: as for `beam_trees`.
    """
    B = _batch_size(state)
    if B != 1:
        raise ValueError(
            f"the state is of {B} images: for one take take_rows(state, [0]), for all "
            "[hypotheses(tree) for tree in beam_trees(step, state, ...)]"
        )
    trees = beam_trees(step, state, start, end, width, longest, length_power, never)
    return hypotheses(trees[0])


@torch.no_grad()
def beam_trees(
    step: Step,
    state: State,
    start: int,
    end: int,
    width: int,
    longest: int,
    length_power: float = 0.0,
    never: tuple[int, ...] = (),
    shown: int = 0,
) -> list[list[Node]]:
    """Beam search for B images side by side; all that it looked at, one list of nodes per image.

    Parents come before their children, and of one depth the best first, the dropped last. Of equal
    candidates the one with the better parent is taken first, then the one with the smaller code.

    width: how many candidates are kept at each depth, those among them that end included.
    longest, never: as in `greedy`.
    length_power: 0 or more; the power of the module's equations.
    shown: keep also the best `shown` dropped candidates of each extended node, to look at. With
        width 1 this is greedy with the next best words beside each word.
    ValueError as for `greedy`, for width below 1, and for length_power or shown below 0.
    """
    check_sizes(width=width, longest=longest)
    if not 0 <= length_power < math.inf:
        raise ValueError(f"length_power is {length_power}: give 0 (log p itself) or more")
    if shown < 0:
        raise ValueError(f"shown is {shown}: give 0 or more")
    B, device = _batch_size(state), _tensors(state)[0].device
    trees = [[Node(-1, 0, start, 0.0, 0.0, 0.0, "kept")] for _ in range(B)]
    live = [[0] for _ in range(B)]  # of each tree the places of B_t
    words = torch.full((B,), start, device=device)
    for depth in range(1, longest + 1):
        logits, state = step(words, state)
        log_p = _log_probabilities(logits, len(words), start, end, never)
        rows, first = [], 0  # the rows of step that the next words go on from
        for b, tree in enumerate(trees):
            K = len(live[b])
            grown = _grow(tree, live[b], log_p[first : first + K], end, width, length_power, shown)
            if depth == longest or _is_decided(tree, grown, longest, length_power):
                fate = "unfinished" if depth == longest else "beaten"
                for _, i in grown:
                    tree[i] = tree[i]._replace(fate=fate)
                grown = []
            rows += [first + row for row, _ in grown]
            live[b] = [i for _, i in grown]
            first += K
        if not rows:
            break
        # The words move to other rows: each must take the state of its own past along.
        state = take_rows(state, rows)
        words = torch.tensor(
            [tree[i].word for tree, places in zip(trees, live) for i in places], device=device
        )
    return trees


def _grow(tree, live, log_p, end, width, length_power, shown):
    """One depth more. live: the K places to extend; log_p (K, V), of the next words of each.

    Returns (which of the K it came from, its place) of each node to extend next.
    """
    totals = log_p.new_tensor([tree[i].total for i in live])[:, None] + log_p
    order = totals.flatten().argsort(descending=True, stable=True)[:width].tolist()
    best = [divmod(k, log_p.shape[1]) for k in order]

    def add(row, word, fate):
        log, total = log_p[row, word].item(), totals[row, word].item()
        depth = tree[live[row]].depth + 1
        tree.append(Node(live[row], depth, word, log, total, total / depth**length_power, fate))

    grown = []
    for row, word in best:
        if totals[row, word] > -math.inf:  # what is never said is no candidate
            add(row, word, "finished" if word == end else "kept")
            if word != end:
                grown.append((row, len(tree) - 1))
    for row in range(len(live) if shown else 0):
        others = log_p[row].argsort(descending=True, stable=True)[: width + shown].tolist()
        others = [word for word in others if (row, word) not in best][:shown]
        for word in others:
            if log_p[row, word] > -math.inf:
                add(row, word, "dropped")
    return grown


def _is_decided(tree, grown, longest, length_power):
    """Can none of the nodes to be extended lead to a better score than a finished one has?"""
    won = max((node.score for node in tree if node.fate == "finished"), default=-math.inf)
    return all(won >= _at_best(tree[i].total, longest, length_power) for _, i in grown)


def _at_best(total, longest, length_power):
    """What a continuation scores whose words are all certain and that is as long as may be."""
    return total / longest**length_power


def hypotheses(tree: list[Node]) -> list[Hypothesis]:
    """The captions in a tree of `beam_trees`, best first: those that ended, then those cut off."""
    ends = [node for node in tree if node.fate in ("finished", "unfinished")]
    ends.sort(key=lambda node: (node.fate == "unfinished", -node.score))  # stable: first found
    found = []
    for node in ends:
        words, log_p, last = [], [], node
        while node.parent >= 0:
            words.insert(0, node.word)
            log_p.insert(0, node.log_p)
            node = tree[node.parent]
        finished = last.fate == "finished"
        found.append(Hypothesis(words[:-1] if finished else words, log_p, last.score, finished))
    return found


# ---------------------------------------------------------------- what step and state must be


def _tensors(state):
    if isinstance(state, Tensor):
        return [state]
    return [tensor for part in state for tensor in _tensors(part)]


def _batch_size(state):
    shapes = [tuple(tensor.shape) for tensor in _tensors(state)]
    if len({shape[:1] for shape in shapes}) != 1 or not all(shapes) or not shapes[0][0]:
        raise ValueError(
            f"the state holds tensors of shapes {shapes}: each needs the same first axis, one row "
            "per image; a constant belongs into step"
        )
    return shapes[0][0]


def _log_probabilities(logits, rows, start, end, never):
    """log p (rows, V), on the CPU in float64: sums and ties do not depend on the device."""
    if logits.ndim != 2 or len(logits) != rows:
        raise ValueError(
            f"step returned logits of shape {tuple(logits.shape)} for {rows} words: expected "
            f"({rows}, V)"
        )
    V = logits.shape[1]
    for name, code in (("start", start), ("end", end), *(("never", code) for code in never)):
        if not 0 <= code < V:
            raise ValueError(f"{name} holds the code {code}: step's vocabulary is 0..{V - 1}")
    if end in never:
        raise ValueError(f"never holds end, {end}: no caption could end; leave it out")
    unsaid = torch.tensor(never, dtype=torch.long)
    logits = logits.detach().cpu().double().index_fill(1, unsaid, -math.inf)
    log_p = logits.log_softmax(dim=1)
    if log_p.isnan().any():
        raise ValueError(
            "step returned logits that hold nan or +inf, or in a row nothing above -inf: no word "
            "can be chosen; look at the model's weights and input"
        )
    return log_p
