"""Exercises of lesson 08, the search with a planted bug, and a little language to try it on."""

import _thread
import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from numbers import Real
from operator import index
from textwrap import fill
from typing import NamedTuple

import numpy as np
import torch

from lecture_utils.exercises.by_what_it_does import ByWhatItDoes, Wrong, doing, form, takes
from lecture_utils.exercises.exercise import Exercise
from lecture_utils.models import decoding


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """TimeoutError for what takes longer, on the main thread; a loop without end is such a thing.

    It is stopped as Ctrl-C stops it, and a real Ctrl-C is answered alike.
    """
    timer = threading.Timer(seconds, _thread.interrupt_main)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        raise TimeoutError("it does not end: is the condition of its loop ever false?") from None
    finally:
        timer.cancel()


# the image in the recurrence ---------------------------------------------------------------------


def rnn_step_with_image(W_xh, W_hh, W_ih, b, x, h, v):
    return np.tanh(W_xh @ x + W_hh @ h + W_ih @ v + b)


def _step(
    image=lambda W_ih, v: W_ih @ v,
    joined=lambda a, from_image: np.tanh(a + from_image),
    x_of=np.matmul,
    h_of=np.matmul,
    bias=1,
):
    """rnn_step_with_image with one thing done another way.

    image: what comes of v. joined: h from the sum without v, and that. x_of, h_of: what comes of
    x and of the old h.
    """

    def attempt(W_xh, W_hh, W_ih, b, x, h, v):
        return joined(x_of(W_xh, x) + h_of(W_hh, h) + bias * b, image(W_ih, v))

    return attempt


def _turned(W, vector):
    return W.T @ vector


def _step_case(seed, H):
    """All sizes are equal, so that a transposed matrix gives a wrong answer and no error."""
    normal = np.random.default_rng(seed).standard_normal
    return (*normal((3, H, H)), *normal((4, H)))


rnn_step_with_image = Exercise(
    rnn_step_with_image,
    cases=[_step_case(80, 1), _step_case(81, 3), _step_case(82, 4)],
    values=("h",),
    mistakes={
        "The image is missing: without W_ih @ v the caption is of no image at all.": _step(
            joined=lambda a, v: np.tanh(a)
        ),
        "W_ih @ v comes after the tanh, so that h leaves -1 to 1. It is one more term of the sum "
        "inside.": _step(joined=lambda a, v: np.tanh(a) + v),
        "W_ih @ v multiplies the sum. It is added, as the terms of x and h are.": _step(
            joined=lambda a, v: np.tanh(a * v)
        ),
        "W_ih @ v multiplies what comes out of the tanh, as a gate would. It is added, inside the "
        "tanh.": _step(joined=lambda a, v: np.tanh(a) * v),
        "v is added as it is. It is 4,096 numbers in the lecture and h is not: W_ih @ v.": _step(
            image=lambda W_ih, v: v
        ),
        "W_ih is transposed: rows belong to the new state, columns to the image, so W_ih @ "
        "v.": _step(image=_turned),
        "W_hh is transposed: rows belong to the new state, columns to the old one, so W_hh @ "
        "h.": _step(h_of=_turned),
        "W_xh is transposed: rows belong to the new state, columns to the word, so W_xh @ "
        "x.": _step(x_of=_turned),
        "The matrices are transposed: x is one vector here, so W @ x. With a batch in rows it is "
        "x @ W.T.": _step(image=_turned, x_of=_turned, h_of=_turned),
        "W_ih * v multiplies entry by entry. A matrix times a vector is W_ih @ v.": _step(
            image=np.multiply
        ),
        "W * x multiplies entry by entry. A matrix times a vector is W @ x.": _step(
            image=np.multiply, x_of=np.multiply, h_of=np.multiply
        ),
        "The old state h is not used: the image does not take its place. W_hh @ h is missing.": (
            _step(h_of=lambda W, h: 0)
        ),
        "The bias b is missing.": _step(bias=0),
        "There is no non-linearity: h = tanh of the sum.": _step(joined=lambda a, v: a + v),
    },
    hints=(
        "It is the step of lesson 01, h = tanh(W_xh x + W_hh h + b), and one more term.",
        "The image is a third source beside the word and the old state. It enters as they do: its "
        "own matrix times the vector.",
        "np.tanh(W_xh @ x + W_hh @ h + W_ih @ v + b)",
    ),
)

# BLEU --------------------------------------------------------------------------------------------


def bleu(candidate, references, N):
    p, c = [], len(candidate)
    for n in range(1, N + 1):
        said, *theirs = [list(zip(*(w[k:] for k in range(n)))) for w in (candidate, *references)]
        matched = sum(min(said.count(g), max(t.count(g) for t in theirs)) for g in set(said))
        p.append(matched / max(len(said), 1))
    r = min((len(words) for words in references), key=lambda r: (abs(r - c), r))
    return min(1.0, math.exp(1 - r / c)) * math.prod(p) ** (1 / N)


def _clipped(said, theirs):
    return sum(min(k, max(t[g] for t in theirs)) for g, k in said.items())


def _of_said(matched, said, theirs, c):
    return matched / max(said.total(), 1)


def _nearest(c, lengths):
    return min(lengths, key=lambda r: (abs(r - c), r))


def _penalty(c, r):
    return min(1.0, math.exp(1 - r / c))


def _root(p):
    return math.prod(p) ** (1 / len(p))


def _bleu(
    matched=_clipped,
    ratio=_of_said,
    length=_nearest,
    penalty=_penalty,
    mean=_root,
    judged_by=lambda references: references,
):
    """bleu with one thing done another way."""

    def attempt(candidate, references, N):
        references, c, p = judged_by(references), len(candidate), []
        for n in range(1, N + 1):
            said, *theirs = [
                Counter(zip(*(words[k:] for k in range(n)))) for words in (candidate, *references)
            ]
            p.append(ratio(matched(said, theirs), said, theirs, c))
        return penalty(c, length(c, [len(words) for words in references])) * mean(p)

    return attempt


_NO_NGRAMS = (
    "A candidate with fewer than n words has no n-grams, and 0 / 0 has no answer: let p_n be 0 "
    "there, as nothing matches."
)
_LOG_0 = (
    "p_n can be 0, and math.log(0) is an error. The geometric mean is 0 then, and so is BLEU: "
    "math.prod(p) ** (1 / N) takes no logarithm."
)
_SMOOTHED = (
    "Right where every p_n is above 0. Where one is 0 BLEU is 0: yours puts a small number in its "
    "place, which is called smoothing, and is another score."
)


class _Bleu(Exercise):
    """Knows three slips by their kind: 0 / 0, log 0, and a small number in place of p_n = 0."""

    def _answer(self, function, arguments):
        candidate, _, N = arguments
        try:
            with _at_most(1.5):
                return super()._answer(function, arguments)
        except ZeroDivisionError:
            if len(candidate) >= N:
                raise
            return math.nan
        except ValueError:
            if self.reference(*arguments) > 0:
                raise
            return -math.inf

    def _known_mistake(self, answers):
        if known := super()._known_mistake(answers):
            return known
        if not all(isinstance(got, Real) for got in answers):
            return None
        if any(math.isnan(got) for got in answers):
            return _NO_NGRAMS
        if -math.inf in answers:
            return _LOG_0
        wanted = [self.reference(*case) for case in self.cases]
        wrong = [want for got, want in zip(answers, wanted) if self._difference(got, want)]
        return _SMOOTHED if not any(wrong) else None


_SAT, _IS = "the cat sat on the mat".split(), "the cat is on the mat".split()
_THERE = "there is a cat on the mat".split()
_CIRCLES = [
    "a small red circle above a blue square".split(),
    "a red circle is above a square".split(),
]
_STARS = ["there are two stars on the sand".split(), "two green stars there".split()]

bleu = _Bleu(
    bleu,
    cases=[
        *((_SAT, [_IS], N) for N in (1, 2, 3, 4)),
        (["the"] * 7, [_IS, _THERE], 1),
        ("the cat on the mat the cat".split(), [_THERE, _IS], 2),
        ("a red circle".split(), _CIRCLES, 2),
        ("a red circle above a blue".split(), _CIRCLES[::-1], 3),
        ("two stars on the sand there".split(), _STARS, 2),
        ("two green stars on sand".split(), [_STARS[0][:6], _STARS[1]], 2),
        ("there are two stars on the sand and two green stars".split(), _STARS, 3),
        ("red circle".split(), _CIRCLES, 4),
    ],
    values=("BLEU",),
    mistakes={
        "Nothing is clipped, and seven times \"the\" would be a perfect caption. An n-gram matches "
        "at most as often as one reference has it: the smaller of the two counts.": _bleu(
            matched=lambda said, theirs: sum(
                k for g, k in said.items() if any(g in t for t in theirs)
            )
        ),
        "Only the first reference is read. Words of any of them count as right.": _bleu(
            judged_by=lambda references: references[:1]
        ),
        "Sets forget how often. Count how often each n-gram is said, and how often a reference has "
        "it; the smaller number matches.": _bleu(
            matched=lambda said, theirs: sum(any(g in t for t in theirs) for g in said),
            ratio=lambda matched, said, theirs, c: matched / max(len(said), 1),
        ),
        "Divided by the n-grams of the reference. BLEU asks how much of what is said is right: "
        "divide by those of the candidate.": _bleu(
            ratio=lambda matched, said, theirs, c: matched / max(theirs[0].total(), 1)
        ),
        "Divided by the number of words for every n. A candidate of c words has c - n + 1 n-grams: "
        "divide p_n by that.": _bleu(ratio=lambda matched, said, theirs, c: matched / c),
        "That is the arithmetic mean of the p_n. The geometric one is the N-th root of their "
        "product, and it is 0 as soon as one of them is.": _bleu(mean=lambda p: sum(p) / len(p)),
        "That is the product of the p_n. Their geometric mean is its N-th root, ** (1 / N).": _bleu(
            mean=math.prod
        ),
        "That is p_N alone. BLEU-N is the geometric mean of p_1 to p_N.": _bleu(
            mean=lambda p: p[-1]
        ),
        "A p_n of 0 is left out of the mean. It belongs there, and makes BLEU 0.": _bleu(
            mean=lambda p: _root([each for each in p if each] or [0.0])
        ),
        "There is no brevity penalty: saying little would pay. Multiply by exp(1 - r / c) where c "
        "< r.": _bleu(penalty=lambda c, r: 1.0),
        "The brevity penalty is never above 1: min(1, exp(1 - r / c)). Yours rewards captions that "
        "are longer than their references.": _bleu(penalty=lambda c, r: math.exp(1 - r / c)),
        "r and c are swapped in the brevity penalty: it punishes long captions. exp(1 - r / c) is "
        "for c < r.": _bleu(penalty=lambda c, r: min(1.0, math.exp(1 - c / r))),
        "r is the length of the reference whose length is nearest to c, not of the longest.": _bleu(
            length=lambda c, lengths: max(lengths)
        ),
        "r is the length of the reference whose length is nearest to c, not of the shortest.": (
            _bleu(length=lambda c, lengths: min(lengths))
        ),
        "r is the length of the reference whose length is nearest to c, not of the first.": _bleu(
            length=lambda c, lengths: lengths[0]
        ),
        "Right but for one thing: of two references whose lengths are equally near to c, r is the "
        "shorter one's.": _bleu(
            length=lambda c, lengths: min(lengths, key=lambda r: (abs(r - c), -r))
        ),
        _NO_NGRAMS: _bleu(ratio=lambda matched, said, theirs, c: matched / said.total()),
        _LOG_0: _bleu(mean=lambda p: math.exp(sum(map(math.log, p)) / len(p))),
        _SMOOTHED: _bleu(mean=lambda p: _root([max(each, 1e-9) for each in p])),
    },
    hints=(
        "For n = 2 make the list of pairs of neighbours, of the candidate and of each reference. "
        "\"the cat sat on the mat\" has five; three of them are in \"the cat is on the mat\".",
        "p_n: over the different n-grams said, add up min(how often it is said, how often the "
        "reference that has it most often has it); divide by the number of n-grams said, at least "
        "1.",
        "r = min((len(words) for words in references), key=lambda r: (abs(r - c), r)), and then "
        "min(1.0, math.exp(1 - r / c)) * math.prod(p) ** (1 / N).",
    ),
)

# beam search -------------------------------------------------------------------------------------


def buggy_beam_search(step, state, start, end, width, longest):
    beam, found = [([start], 0.0, state)], []
    for _ in range(longest):
        grown = []
        for words, log_p, state in beam:
            log_ps, state = step(words[-1], state)
            grown += [(words + [w], log_p + log_ps[w]) for w in range(len(log_ps))]
        best = sorted(grown, key=lambda each: -each[1])[:width]
        found += [(words, log_p) for words, log_p in best if words[-1] == end]
        beam = [(words, log_p, state) for words, log_p in best if words[-1] != end]
    found = sorted(found, key=lambda each: -each[1])
    return found + [(words, log_p) for words, log_p, _ in beam]


def beam_search(step, state, start, end, width, longest):
    beam, found = [([start], 0.0, state)], []
    for _ in range(longest):
        grown = []
        for words, log_p, state in beam:
            log_ps, state = step(words[-1], state)
            grown += [(words + [w], log_p + log_ps[w], state) for w in range(len(log_ps))]
        best = sorted(grown, key=lambda each: -each[1])[:width]
        found += [(words, log_p) for words, log_p, _ in best if words[-1] == end]
        beam = [each for each in best if each[0][-1] != end]
    found = sorted(found, key=lambda each: -each[1])
    return found + [(words, log_p) for words, log_p, _ in beam]


class Language(NamedTuple):
    """A made language of six words. Which word comes next depends on all that have been said.

    Its state is simply what it has read, a tuple of words: print it and see whether it fits.
    """

    seed: int
    start: int = 0
    end: int = 1
    state: tuple[int, ...] = ()
    size: int = 6

    def step(self, word: object, state: object) -> tuple[list[float], tuple[int, ...]]:
        """log p of each word after `word`, and the state that goes with it.

        ValueError for a word that is none, and a state that step did not give.
        """
        if not isinstance(word, int | np.integer) or not 0 <= word < self.size:
            raise ValueError(f"step is given {word!r}: a word is an integer 0..{self.size - 1}")
        if not isinstance(state, tuple):
            raise ValueError(f"step is given the state {state!r}: hand on what step returned")
        heard = (*state, int(word))
        logits = 1.5 * np.random.default_rng([self.seed, *heard]).standard_normal(self.size)
        logits[self.start] = -9.0
        return (logits - np.logaddexp.reduce(logits)).tolist(), heard


_FORM = (
    "Return a list of pairs (words, log_p): the words from start to end, a list, and one number."
)
_MOST_CALLS = 300  # of step; the largest trial takes 13


@cache
def _of_package(language, width, longest):
    """What the package's beam search finds: pairs, as the exercise wants them."""

    def step(words, states):
        pairs = [language.step(int(w), tuple(s.tolist())) for w, s in zip(words, states)]
        log_p = torch.tensor([log_ps for log_ps, _ in pairs], dtype=torch.float64)
        return log_p, torch.tensor([heard for _, heard in pairs])

    hypotheses = decoding.beam_search(
        step, torch.zeros(1, 0, dtype=torch.long), language.start, language.end, width, longest,
        length_power=99.0,  # so that a longer caption may always win: it never stops early
    )  # fmt: skip
    ranked = sorted(hypotheses, key=lambda each: (not each.finished, -sum(each.log_p)))
    return [
        ([language.start, *each.words, *[language.end] * each.finished], sum(each.log_p))
        for each in ranked
    ]


class _TooManySteps(BaseException):  # of BaseException: a learner's `except Exception` misses it
    pass


def _check_search(attempt, language, width, longest):
    """Raises Wrong unless the attempt finds what the package finds."""
    arguments = language.state, language.start, language.end, width, longest
    calls = 0

    def step(word, state):
        nonlocal calls
        calls += 1
        if calls > _MOST_CALLS:
            raise _TooManySteps
        return language.step(word, state)

    if not takes(attempt, step, *arguments):
        raise Wrong(
            "beam_search takes six things: `def beam_search(step, state, start, end, width, "
            "longest)`."
        )
    try:
        with _at_most(1.5), doing("beam_search"):
            found = attempt(step, *arguments)
    except _TooManySteps:
        raise Wrong(
            f"It does not end, or it keeps more than the best `width`: with width {width} and "
            f"longest {longest} step is called more than {_MOST_CALLS} times, and "
            f"{1 + width * (longest - 1)} calls are enough."
        ) from None
    _compare(_pairs(found), language, width, longest)


def _pairs(found):
    """With plain numbers; Wrong where the form is another."""
    if not isinstance(found, list | tuple):
        raise Wrong(f"It returns {form(found)}. {_FORM}")
    pairs = []
    for each in found:
        try:
            words, log_p = each
            pairs.append(([index(word) for word in words], float(log_p)))
        except (TypeError, ValueError, OverflowError):
            raise Wrong(f"The list holds {form(each)}. {_FORM}") from None
    return pairs


def _compare(found, language, width, longest):
    wanted = _of_package(language, width, longest)
    trial = f"With ex.Language({language.seed}), width {width} and longest {longest}"
    for words, _ in found:
        if language.end in words[:-1]:
            raise Wrong(
                f"A caption goes on after `end`, which is {language.end}: {words}. What has ended "
                "is finished: put it aside and extend only the others."
            )
    for (words, log_p), (theirs, other) in zip(found, wanted):
        if words != theirs or not abs(log_p - other) < 1e-6:
            raise Wrong(
                f"{trial}, {words} with log p {log_p:.3f} stands where {theirs} with {other:.3f} "
                "belongs."
            )
    if len(found) != len(wanted):
        raise Wrong(
            f"{trial} it finds {len(found)} captions, and should find {len(wanted)}: all that "
            "ended, then those that `longest` cuts off."
        )


def _by_log_p(hypotheses):
    return sorted(hypotheses, key=lambda each: -each[1])


def _of_each(how_many):
    """Of the children of each parent the best `how_many(width)`; of START's `width`."""

    def keep(grown, width):
        children = {}
        for each in _by_log_p(grown):
            children.setdefault(tuple(each[0][:-1]), []).append(each)
        number = width if len(children) == 1 else how_many(width)
        return [each for own in children.values() for each in own[:number]]

    return keep


def _of_one_parent(grown, width):
    """Of the last one's children, where `grown` begins anew for each parent."""
    return _by_log_p([each for each in grown if each[0][:-1] == grown[-1][0][:-1]])[:width]


def _searched(
    keep=lambda grown, width: _by_log_p(grown)[:width],
    add=lambda log_p, one: log_p + one,
    after=lambda state, new: new,
    passed_on=lambda best: best,
    answer=lambda found, beam: _by_log_p(found) + beam,
):
    """beam_search with one thing done another way.

    keep: what is left of all children. after: a child's state, from its parent's and step's.
    passed_on: what is left, with the states to go on from. answer: the list, from what ended and
    what did not.
    """

    def attempt(step, state, start, end, width, longest):
        beam, found = [([start], 0.0, state)], []
        for _ in range(longest):
            grown = []
            for words, log_p, state in beam:
                log_ps, new = step(words[-1], state)
                grown += [
                    (words + [w], add(log_p, one), after(state, new))
                    for w, one in enumerate(log_ps)
                ]
            best = passed_on(keep(grown, width)) if grown else []
            found += [each[:2] for each in best if each[0][-1] == end]
            beam = [each for each in best if each[0][-1] != end]
        return answer(found, [each[:2] for each in beam])

    return attempt


_STILL = (
    "Still there. With width 1 it is right, with more it is not: all hypotheses go on from one "
    "state, the one that the last of them left. Each needs the state of its own past."
)

class _Search(ByWhatItDoes):
    """To be right where a mistake is wrong is another answer than that mistake."""

    def _difference(self, got, want):
        return None if got == want else got or want


beam_search = _Search(
    beam_search,
    cases=[
        (Language(3), 1, 4),
        (Language(16), 2, 3),
        (Language(8), 3, 5),
        (Language(4), 4, 3),
        (Language(30), 2, 6),
        (Language(6), 3, 1),
    ],
    values=("the captions",),
    use=_check_search,
    mistakes={
        _STILL: buggy_beam_search,
        "All hypotheses go on from the state of the best one. Each needs the state of its own "
        "past: carry it along as a third thing, beside words and log_p.": _searched(
            passed_on=lambda best: [(words, log_p, best[0][2]) for words, log_p, _ in best]
        ),
        "step returns the log p and the next state. Yours hands on the state that went in, and no "
        "word before the last is remembered.": _searched(after=lambda state, new: state),
        "log_p is that of the last word. A caption's is the sum over its words, log_p + "
        "log_ps[w].": _searched(add=lambda log_p, one: one),
        "log_p is divided by the number of words. That lets longer captions win, which can be "
        "useful; here log_p is the sum.": _searched(
            answer=lambda found, beam: [
                (words, log_p / (len(words) - 1)) for words, log_p in _by_log_p(found) + beam
            ]
        ),
        "All that is kept comes from one parent. Collect the children of all hypotheses in the "
        "beam in one list, and only then keep the best `width`.": _searched(_of_one_parent),
        "Each hypothesis keeps its own best child. They compete with each other: sort the children "
        "of all together and keep the best `width`.": _searched(_of_each(lambda width: 1)),
        "The width is not obeyed: `width` children of each hypothesis are kept, more and more of "
        "them. Sort the children of all together and keep the best `width`, [:width].": _searched(
            _of_each(lambda width: width)
        ),
        "The width is not obeyed: every child is kept, and that is a search of everything. Of the "
        "children of all together keep the best `width`, [:width].": _searched(
            lambda grown, width: _by_log_p(grown)
        ),
        "Only one hypothesis is kept, whatever the width. Keep the best `width`, [:width].": (
            _searched(lambda grown, width: _by_log_p(grown)[:1])
        ),
        "The least likely are kept: sorted begins with the smallest. Sort by -log_p.": _searched(
            lambda grown, width: _by_log_p(grown)[::-1][:width]
        ),
        "The captions that ended are not sorted: the highest log_p comes first.": _searched(
            answer=lambda found, beam: found + beam
        ),
        "What has not ended after `longest` words is missing. It comes last in the list.": (
            _searched(answer=lambda found, beam: _by_log_p(found))
        ),
        "What ended is lost: keep it in a list when it leaves the beam, and return it first.": (
            _searched(answer=lambda found, beam: beam)
        ),
    },
    hints=(
        "step(word, state) returns (log_ps, state): log p of each next word, a list of six, and "
        "the state after `word`. Nothing is remembered but what `state` says. Try step = "
        "ex.Language(1).step with the state (): a state of it is what it has read.",
        "Run it with width 1, then with width 2, and print `words` and `state` where the inner "
        "loop begins: the state should be all words but the last. After the inner loop `state` is "
        "what its last turn left: who gets it, and who should?",
        "A child needs the state that its own parent's step returned: put (words + [w], log_p + "
        "log_ps[w], state) into grown, and let the beam keep all three.",
    ),
)

# predict a failure -------------------------------------------------------------------------------


class Prediction:
    """A guess of which situation is hardest, compared with what was measured. Nothing else uses it.

    name: what it is called in the notebook, for the messages.
    """

    def __init__(self, name: str):
        self.name = name

    def __repr__(self):
        return f"Prediction {self.name}: .check(your answer, measured)"

    def check(self, answer: object, measured: dict[str, float]) -> str:
        """Print whether `answer` is the situation with the lowest number, and all of them.

        measured: the share of true captions, 0..1, of each situation; at least two. A wrong guess
            stops nothing. Of equally low ones any is right.
        Returns the situation with the lowest share. ValueError for shares that are none.
        """
        if not isinstance(measured, dict) or len(measured) < 2:
            raise ValueError(f"measured is {measured!r}: give the shares of two situations or more")
        for name, share in measured.items():
            if not isinstance(share, Real) or not 0 <= share <= 1:
                raise ValueError(f"the share of {name!r} is {share!r}: give a number from 0 to 1")
        print(fill(f"{self.name}: {self._verdict(answer, measured)}", 88))
        return min(measured, key=measured.get)

    def _verdict(self, answer, measured):
        names = ", ".join(f'"{name}"' for name in measured)
        if answer is ... or answer is None:
            return f"not yet. Replace the `...` by one of {names}."
        own = next(
            (n for n in measured if isinstance(answer, str) and _plain(n) == _plain(answer)), None
        )
        if own is None:
            said = f'"{answer}"' if isinstance(answer, str) else form(answer)
            return f"{said} is none of the situations. They are {names}."
        shares = ", ".join(f"{n} {measured[n]:.1%}" for n in sorted(measured, key=measured.get))
        harder = sum(share < measured[own] for share in measured.values())
        if not harder:
            return f"right, {own} is the hardest. True captions: {shares}."
        are = "one is" if harder == 1 else f"{harder} are"
        return f"a good guess to learn from: {are} harder than {own}. True captions: {shares}."


def _plain(text):
    return " ".join(text.casefold().split())


predict = Prediction("predict")
