"""How close is a caption to those that people wrote? BLEU, and the pieces it is made of.

    p_n    = sum of matched n-grams / sum of n-grams     over all candidates; an n-gram matches at
                                                         most as often as one reference holds it
    BP     = 1 if c >= r, else exp(1 - r / c)            so that saying little does not pay
    BLEU-N = BP exp((log p_1 + ... + log p_N) / N)       0 as soon as one p_n is 0

n-gram: n words in a row. candidate: a caption to be judged; references: captions of the same image
that count as right. c: words in all candidates; r: for each candidate the length of the reference
nearest to it (of two equally near the shorter), summed.

BLEU is of a corpus: the sums run over all candidates before anything is divided, and the mean of
the BLEU of single captions is another number. It knows words, not truth: "a red square" for "a red
circle" has two of three words right.

Source: Papineni et al. (2002). `bleu` is computed by sacrebleu (Post, 2018). nltk's corpus_bleu
gives the same unless a candidate has fewer than n words: it then counts one n-gram, not matched.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

Words = Sequence[str]


def bleu(
    candidates: Sequence[Words], references: Sequence[Sequence[Words]]
) -> tuple[float, float, float, float]:
    """BLEU-1 to BLEU-4 of captions that are lists of words, in 0..1. No smoothing, no tokeniser.

    references: for each candidate one or more; not all need the same number. An empty candidate
        is a caption without words. Upper and lower case differ.
    ValueError for as many references as there are no candidates for, or the other way round, none
    of either, empty references, and strings in place of lists of words.
    """
    _check(candidates, references)
    from sacrebleu.metrics import BLEU  # not above: 0.15 s that nobody else should wait for

    # One stream for the first reference of each candidate, one for the second ...; None: no more.
    streams = list(zip_longest(*([" ".join(words) for words in own] for own in references)))
    joined = [" ".join(words) for words in candidates]
    whole = BLEU(tokenize="none", smooth_method="none", force=True).corpus_score(joined, streams)
    return tuple(
        BLEU.compute_bleu(
            whole.counts[:n], whole.totals[:n], whole.sys_len, whole.ref_len, max_ngram_order=n
        ).score
        / 100
        for n in (1, 2, 3, 4)
    )


def clipped_counts(candidate: Words, references: Sequence[Words], n: int) -> tuple[int, int]:
    """Of the n-grams of one candidate: how many match, and how many there are."""
    _check([candidate], [references])
    if n < 1:
        raise ValueError(f"n is {n}: an n-gram has at least 1 word")
    said, most = _ngrams(candidate, n), Counter()
    for reference in references:
        most |= _ngrams(reference, n)  # of each n-gram the larger count
    return (said & most).total(), said.total()  # &: the smaller count


def _ngrams(words, n):
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def nearest_length(candidate: Words, references: Sequence[Words]) -> int:
    """One candidate's part of r."""
    _check([candidate], [references])
    return min((len(words) for words in references), key=lambda r: (abs(r - len(candidate)), r))


def brevity_penalty(c: int, r: int) -> float:
    """1 for candidates of c words that are as long as their references with r, less if shorter."""
    if c < 0 or r < 0:
        raise ValueError(f"c is {c} and r is {r}: numbers of words are 0 or more")
    if c >= r:
        return 1.0
    return math.exp(1 - r / c) if c else 0.0


def _check(candidates, references):
    if len(candidates) != len(references):
        raise ValueError(
            f"{len(candidates)} candidates and references for {len(references)}: give each "
            "candidate the list of its references"
        )
    if not len(candidates):
        raise ValueError("there are no candidates: BLEU needs at least one caption")
    for i, (candidate, own) in enumerate(zip(candidates, references)):
        _check_words(f"candidate {i}", candidate)
        if isinstance(own, str) or not len(own):
            raise ValueError(
                f"the references of candidate {i} are {own!r}: give a list of at least one "
                "reference, each a list of words"
            )
        for j, reference in enumerate(own):
            _check_words(f"reference {j} of candidate {i}", reference)
            if not len(reference):
                raise ValueError(f"reference {j} of candidate {i} is empty: leave it out")


def _check_words(name, words):
    if isinstance(words, str):
        raise ValueError(
            f"{name} is the string {words!r}: give a list of words, {words[:40].split()!r}"
        )
    for word in words:
        if not isinstance(word, str) or word.split() != [word]:
            raise ValueError(
                f"{name} holds {word!r}: a word is a string without blanks; decode codes, split "
                "sentences"
            )
