"""The one exercise of notebook 00, to show how exercises work."""

import math

from lecture_utils.exercises.exercise import Exercise


def nats_to_bits(nats):
    return nats / math.log(2)


nats_to_bits = Exercise(
    nats_to_bits,
    cases=[(1.0,), (2.0785,), (0.0,)],
    values=("bits",),
    mistakes={
        "The other way round: one nat is more than one bit.": lambda nats: nats * math.log(2),
        "Divide by the natural logarithm of 2; in Python math.log, not math.log10.": (
            lambda nats: nats / math.log10(2)
        ),
        "That leaves the number as it is (math.log2(2) is 1). Divide by math.log(2).": (
            lambda nats: nats / math.log2(2)
        ),
    },
    hints=(
        "A fair coin costs 1 bit, and ln(2) = 0.693 nats.",
        "So 0.693 nats make one bit: divide.",
        "return nats / math.log(2)",
    ),
)
