"""What does a cell know? Scores of every cell against known features of the text, with controls.

A feature is known for each of T characters: True or False (inside quotes?) or a number (position
in the line). r_t is the rank of a cell's value at character t less the mean rank, q_t the same of
the feature, True above False; equal values share the mean of their ranks.

    2 AUC - 1 = sum_t r_t q_t / |q|^2          of True and False
    r         = sum_t r_t q_t / (|r| |q|)      of numbers: Spearman's

Both lie between -1 and 1 and are called the effect here: 0 knows nothing, below 0 is "low inside".
AUC is the probability that the cell is higher at a random character with the feature than at a
random one without it, a tie counting half (Mann and Whitney, 1947). 0.5 is a coin, 1 a perfect
detector; it asks for no threshold and does not care how rare the feature is, or whether the cell
writes 0.1 and 0.2 or -5 and 5. Every score is a product with the same ranks: they are sorted
once, and 12 features or 99 displaced ones are a matrix product away.

A high score proves nothing by itself: the best of 512 cells always looks good. Hence the controls
of `find_cells`. And a score is not a cause: whether the network uses the cell, only changing the
cell can tell. T characters, C cells, F features.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

Array = np.ndarray
Feature = Bool[Array, "T"] | Real[Array, "T"]


def auc(
    values: Real[Array, "T C"], labels: Bool[Array, "T"] | Bool[Array, "T F"]
) -> Float[Array, "C"] | Float[Array, "C F"]:
    """The AUC of each cell for one feature, (T,) -> (C,), or for several, (T, F) -> (C, F).

    ValueError where a feature is True everywhere or nowhere: then there is no pair to compare.
    """
    columns = _table(values, labels, "labels")
    if labels.dtype != bool:
        raise ValueError(f"labels are {labels.dtype}: give True and False, say labels > 0")
    present = columns.sum(axis=0)
    for f in np.flatnonzero((present == 0) | (present == len(columns))):
        raise ValueError(
            f"labels{f'[:, {f}]' if labels.ndim == 2 else ''} are {columns[0, f]} at every "
            "character: an AUC needs both. Give more text, or leave this feature out"
        )
    ranks = np.stack([_ranks(column) for column in columns.T], axis=1)
    scores = (1 + _effects(_rank_blocks(values), ranks, True)) / 2
    return scores[:, 0] if labels.ndim == 1 else scores


def correlation(
    values: Real[Array, "T C"], numbers: Real[Array, "T"] | Real[Array, "T F"], rank: bool = False
) -> Float[Array, "C"] | Float[Array, "C F"]:
    """Pearson's r of each cell with one number, (T,) -> (C,), or several, (T, F) -> (C, F).

    rank: of the ranks (Spearman's r): 1 for anything that only ever rises, straight or not.
    A cell or a number that never changes goes along with nothing: its r is 0, not nan.
    """
    columns = _table(values, numbers, "numbers")
    centred = _ranks if rank else _centred
    blocks = (np.array([centred(x) for x in block]) for block in _blocks(values))
    r = _effects(blocks, np.stack([centred(column) for column in columns.T], axis=1), False)
    return r[:, 0] if numbers.ndim == 1 else r


class Found(NamedTuple):
    """The best cell for one feature. Scores are AUC, or |r| of Spearman, in the cell's direction.

    Cell, direction and `chosen` come from the first half of the text, all else from the second.
    The score is evidence where it beats `control`.
    """

    feature: str
    cell: int
    score: float  # what to report; below 0.5 (r: below 0) the cell turned round
    kind: str  # "AUC" (of a feature that is True or False) or "r" (of a number)
    direction: int  # 1: high inside, or rising with the number; -1: low inside, or falling
    control: float  # what the best of all cells stays below in 95 % of circular shifts
    low: float  # 95 % interval of `score` by `bootstrap_interval`
    high: float
    chosen: float  # the score that chose the cell: flattered, as it is the best of all
    shuffled: float  # as `control`, for plain shuffles, to compare: far too easy to beat
    base_rate: float  # share of characters with the feature; of a number nan


class Survey(NamedTuple):
    """What `find_cells` measured. Effects are 2 AUC - 1 or Spearman's r, signed."""

    found: tuple[Found, ...]  # one per feature, in the order given
    first: Float[Array, "C F"]  # effects on the first half of the text
    second: Float[Array, "C F"]  # effects on the second half

    def __repr__(self):
        lines = ["feature                 cell       held out    95 % interval  control  base rate"]
        for f in self.found:
            name = f"{f.feature:23} {f.cell:4} {'high' if f.direction > 0 else 'low':4}"
            score = f"{f.kind:>4} {f.score:5.3f}   {f.low:5.3f} to {f.high:5.3f}"
            base_rate = "" if np.isnan(f.base_rate) else f"{f.base_rate:.3f}"
            lines.append(f"{name} {score}   {f.control:6.3f}  {base_rate:>9}".rstrip())
        return "\n".join(lines)


def find_cells(
    values: Real[Array, "T C"],
    features: dict[str, Feature],
    rng: np.random.Generator,
    *,
    draws: int = 99,
    block: int = 500,
    resamples: int = 500,
    pieces: Int[Array, "T"] | None = None,
) -> Survey:
    """The best cell for each feature: chosen on the first half of the text, scored on the second.

    features: name -> (T,) array; bool is scored by AUC, numbers by |r| of Spearman. Both halves
        should hold text of the same kind.
    draws: of each control. A control displaces the feature on the second half, scores all cells
        and keeps the best: what searching finds where nothing is. `Found.control` displaces it by
        a random circular shift: the feature keeps its runs and loses its place. Shuffling breaks
        the runs too. That is too easy to beat: with a slow cell and a feature that comes in runs
        of 200, 10,000 characters hold some 50 independent ones, and by accident they agree far
        better than 10,000 shuffled characters ever do. One weakness: what repeats at a fixed
        period comes back into step under some shifts, and its control is too strict.
    block: characters further apart than this count as independent. Shifts are at least this
        long, and the bootstrap draws blocks of this length.
    resamples: of the bootstrap.
    pieces: the number of the file or story that each character is of; then the bootstrap draws
        these. A handful of files say less than their length suggests.
    ValueError where lengths differ, a number is not finite, a feature is the same throughout a
    half, or there are fewer than 2 cells, 19 draws or 10 blocks in a half.
    """
    _check_survey(values, features, draws, block, resamples)
    half = len(values) // 2
    is_label = np.array([feature.dtype == bool for feature in features.values()])
    before = np.stack([_ranks(feature[:half]) for feature in features.values()], axis=1)
    after = np.stack([_ranks(feature[half:]) for feature in features.values()], axis=1)
    first = _effects(_rank_blocks(values[:half]), before, is_label)
    # The ranks are kept for the controls; float32 holds them exactly below 8 million characters.
    ranks = [rows.astype(np.float32) for rows in _rank_blocks(values[half:])]
    second = _effects(ranks, after, is_label)

    units = _units(len(values), block, pieces)[half:]

    found = []
    for f, (name, feature) in enumerate(features.items()):
        cell = int(np.abs(first[:, f]).argmax())
        direction = 1 if first[cell, f] >= 0 else -1
        truth, label = feature[half:], feature.dtype == bool
        low, high = _bootstrap(values[half:, cell], truth, rng, units, resamples)
        shifts = rng.integers(block, len(truth) - block + 1, draws)
        shifted = [np.roll(after[:, f], shift) for shift in shifts]
        shuffled = [rng.permutation(after[:, f]) for _ in range(draws)]
        if direction < 0:
            low, high = -high, -low
        effects = {
            "score": direction * second[cell, f],
            "control": _best_of_all(ranks, shifted, label),
            "low": low,
            "high": high,
            "chosen": direction * first[cell, f],
            "shuffled": _best_of_all(ranks, shuffled, label),
        }
        scores = {k: float((1 + e) / 2 if label else e) for k, e in effects.items()}
        kind, base_rate = ("AUC", float(truth.mean())) if label else ("r", np.nan)
        found.append(
            Found(name, cell, kind=kind, direction=direction, base_rate=base_rate, **scores)
        )
    return Survey(tuple(found), first, second)


def interpretable_cells(
    survey: Survey, least_auc: float = 0.9, least_r: float = 0.7
) -> dict[int, str]:
    """Cell -> what it stands for, for the cells whose held-out score says so.

    The first half of the text gives each cell its feature: the one whose effect is the largest
    multiple of the least effect asked for. The cell counts if on the second half, in the same
    direction, its score is at least the least one and above the feature's control.
    """
    _check_least(least_auc, least_r)
    least = np.array([2 * least_auc - 1 if f.kind == "AUC" else least_r for f in survey.found])
    controls = [2 * f.control - 1 if f.kind == "AUC" else f.control for f in survey.found]
    roles = {}
    for cell, (first, second) in enumerate(zip(survey.first, survey.second)):
        f = int((np.abs(first) / least).argmax())
        held_out = second[f] * np.sign(first[f])
        if held_out >= least[f] and held_out > controls[f]:
            roles[cell] = survey.found[f].feature
    return roles


def bootstrap_interval(
    cell: Real[Array, "T"],
    feature: Feature,
    rng: np.random.Generator,
    block: int = 500,
    resamples: int = 500,
    pieces: Int[Array, "T"] | None = None,
) -> tuple[float, float]:
    """Where the AUC (bool feature) or Spearman's r (numbers) of one cell lies: a 95 % interval.

    The text is cut into blocks, as many are drawn with replacement and scored, ranks made anew;
    the interval spans the middle 95 % of these scores. Single characters will not do: neighbours
    say nearly the same, and an interval that counts each as a witness of its own is too narrow.
    pieces: as in `find_cells`, drawn instead of blocks.
    (nan, nan) if True or False occurs in fewer than 5 blocks: there is too little to vary.
    Source: Künsch (1989) for the idea of blocks; these do not overlap.
    """
    _table(cell[:, None], feature, "feature")
    if block < 1 or resamples < 1:
        raise ValueError(f"block is {block} and resamples {resamples}: both are at least 1")
    low, high = _bootstrap(cell, feature, rng, _units(len(cell), block, pieces), resamples)
    return ((1 + low) / 2, (1 + high) / 2) if feature.dtype == bool else (low, high)


def linear_probe(values: Real[Array, "T C"], feature: Feature) -> float:
    """What a linear readout of all cells together knows of the feature.

    Fitted on the first half, scored on the second: AUC of a logistic regression if the feature
    is bool, else Spearman's r of a ridge regression. Each cell is first brought to mean 0 and
    standard deviation 1. High above low cells: the knowledge is there, spread out. It is no upper
    bound: fitted on little text, it may miss what one cell has.
    """
    _table(values, feature, "feature")
    half = len(values) // 2
    _check_halves("feature", feature)
    scaler = StandardScaler().fit(values[:half])
    fitted, held_out = scaler.transform(values[:half]), scaler.transform(values[half:])
    if feature.dtype == bool:
        readout = LogisticRegression(max_iter=1000).fit(fitted, feature[:half])
        return float(auc(readout.decision_function(held_out)[:, None], feature[half:])[0])
    read = Ridge().fit(fitted, feature[:half]).predict(held_out)
    return float(correlation(read[:, None], feature[half:], rank=True)[0])


def from_symbols(symbols: Int[Array, "T"], feature: Feature) -> float:
    """A control: what the character itself says of the feature, read without any memory.

    The feature's mean at each character of the alphabet, on the first half, is the guess on the
    second. AUC of a bool feature, Spearman's r of numbers.
    """
    _table(symbols[:, None], feature, "feature")
    half = len(symbols) // 2
    _check_halves("feature", feature)
    size = symbols.max() + 1
    count = np.bincount(symbols[:half], minlength=size)
    mean = np.bincount(symbols[:half], feature[:half], size) / np.maximum(count, 1)
    guess, truth = mean[symbols[half:]][:, None], feature[half:]
    scored = auc(guess, truth) if feature.dtype == bool else correlation(guess, truth, rank=True)
    return float(scored[0])


def _blocks(values: Array) -> Iterator[Array]:
    """The cells as rows, (64, T) at a time."""
    for start in range(0, values.shape[1], 64):
        # Copied before it is turned: reading a wide table down its columns takes twice as long.
        yield np.ascontiguousarray(values[:, start : start + 64].copy().T)


def _rank_blocks(values: Array) -> Iterator[Array]:
    return (np.array([_ranks(x) for x in block]) for block in _blocks(values))


def _ranks(x: Array) -> Float[Array, "T"]:
    """Ranks less their mean; equal values share the mean of their ranks."""
    order = _order_of_float32(x) if x.dtype == np.float32 else np.argsort(x)
    in_order = x[order]
    starts = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1]))
    ends = np.append(starts[1:], len(x))
    ranks = np.empty(len(x))
    ranks[order] = np.repeat((starts + ends - len(x)) / 2, ends - starts)
    return ranks


def _order_of_float32(x: Float[Array, "T"]) -> Array:
    """argsort in under half the time: NumPy sorts 16 bits by counting, and two rounds make 32.

    The bits of a float are in the order of its value once the sign bit is turned over and, below
    zero, all others too.
    """
    bits = x.view(np.uint32)
    bits = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    order = np.argsort(bits.astype(np.uint16), kind="stable")  # the lower 16
    return order[np.argsort((bits >> 16).astype(np.uint16)[order], kind="stable")]


def _centred(x: Array) -> Float[Array, "T"]:
    """Less its mean. Less the first value before, or rounding leaves a constant not quite at 0."""
    x = x.astype(float) - float(x[0])
    return x - x.mean()


def _effects(blocks: Iterable[Array], columns: Array, is_label: Array | bool) -> Array:
    """(C, columns): r of the equations is a row of the blocks, q a column."""
    squares = np.einsum("tf,tf->f", columns, columns, dtype=float)
    effects = []
    for rows in blocks:
        lengths = np.sqrt(np.einsum("ct,ct->c", rows, rows, dtype=float))[:, None]
        scale = np.where(is_label, squares, lengths * np.sqrt(squares))
        scale[scale == 0] = 1  # what never changes has effect 0
        effects.append(rows @ columns / scale)
    return np.concatenate(effects)


def _best_of_all(ranks: list[Array], displaced: list[Array], is_label: bool) -> float:
    """What the largest |effect| of all cells stays below in 95 % of the displaced features.

    "weibull": a further draw lies above it in 5 % of cases. With 19 draws it is the largest.
    """
    effects = _effects(ranks, np.stack(displaced, axis=1).astype(np.float32), is_label)
    return float(np.quantile(np.abs(effects).max(axis=0), 0.95, method="weibull"))


def _units(T: int, block: int, pieces: Array | None) -> Int[Array, "T"]:
    """The number of what each character is drawn with: its block, or its piece."""
    if pieces is None:
        return np.arange(T) // block
    if len(pieces) != T:
        raise ValueError(f"pieces has {len(pieces):,} entries, and there are {T:,} characters")
    return pieces


def _bootstrap(cell, feature, rng, units, resamples) -> tuple[float, float]:
    """The interval of the effect."""
    blocks = np.unique(units, return_inverse=True)[1]
    count = blocks.max() + 1
    if feature.dtype == bool:
        fewest = min(len(np.unique(blocks[feature == kind])) for kind in (True, False))
        if fewest < 5:
            return np.nan, np.nan
    groups, kinds = (np.unique(x, return_inverse=True)[1] for x in (cell, feature))
    draws = rng.multinomial(count, np.full(count, 1 / count), resamples).astype(float)
    effects = [
        _weighted_effect(groups, kinds, feature.dtype == bool, drawn[blocks]) for drawn in draws
    ]
    low, high = np.nanquantile(effects, [0.025, 0.975])
    return float(low), float(high)


def _weighted_effect(groups: Array, kinds: Array, is_label: bool, weights: Array) -> float:
    """The effect with each character counted `weights` times; nan if it is not defined.

    groups, kinds: the cell's values and the feature's as numbers 0, 1, ... in their order.
    """
    r, q = _weighted_ranks(groups, weights), _weighted_ranks(kinds, weights)
    weighted = weights * q
    scale = weighted @ q if is_label else np.sqrt((weighted @ q) * ((weights * r) @ r))
    return weighted @ r / scale if scale else np.nan


def _weighted_ranks(groups: Array, weights: Array) -> Float[Array, "T"]:
    """`_ranks` of the text in which character t stands weights[t] times."""
    mass = np.bincount(groups, weights)
    return (np.cumsum(mass) - mass / 2 - mass.sum() / 2)[groups]


def _table(values: Array, feature: Array, name: str) -> Array:
    """The feature(s) as (T, F), once values and they are known to be finite and of one length."""
    if len(values) != len(feature):
        raise ValueError(
            f"values has {len(values):,} rows and {name} {len(feature):,}: give one of each "
            "per character"
        )
    if feature.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {feature.dtype}: give bool, or numbers")
    if len(values) < 2:
        raise ValueError(f"values has {len(values)} rows: scores need at least 2 characters")
    for what, array in (("values", values), (name, feature)):
        # The least and the largest are nan or infinite if anything is, and take no memory.
        for extreme in (array.min(), array.max()):
            if not np.isfinite(extreme):
                raise ValueError(f"{what} holds {extreme}: every number has to be finite")
    return feature[:, None] if feature.ndim == 1 else feature


def _check_survey(values, features, draws, block, resamples) -> None:
    if values.shape[1] < 2:
        raise ValueError(f"values has {values.shape[1]} cells: at least 2 are needed to choose one")
    if not features:
        raise ValueError("features is empty: give at least one, as {name: (T,) array}")
    if draws < 19:
        raise ValueError(f"draws is {draws}: fewer than 19 have no 95th percentile")
    if block < 1 or resamples < 1:
        raise ValueError(f"block is {block} and resamples {resamples}: both are at least 1")
    if len(values) < 20 * block:
        raise ValueError(
            f"values has {len(values):,} rows: {20 * block:,} are needed for 10 blocks of {block} "
            "in each half. Give more text, or a smaller block"
        )
    for name, feature in features.items():
        if feature.ndim != 1:
            raise ValueError(
                f"features[{name!r}] has shape {feature.shape}: give one value per character"
            )
        _table(values, feature, f"features[{name!r}]")
        _check_halves(f"features[{name!r}]", feature)


def _check_halves(name, feature) -> None:
    half = len(feature) // 2
    for which, part in (("first", feature[:half]), ("second", feature[half:])):
        if (part == part[0]).all():
            raise ValueError(
                f"{name} is {part[0]} throughout the {which} half of the text: there is nothing "
                "to score. Give more text, or leave this feature out"
            )


def _check_least(least_auc, least_r) -> None:
    if not (0.5 < least_auc <= 1 and 0 < least_r <= 1):
        raise ValueError(
            f"least_auc is {least_auc} and least_r {least_r}: the first lies above 0.5, the "
            "second above 0, neither above 1"
        )
