"""A claim is a measurement: printed with its number, and raised when the finding changes."""

from textwrap import fill
from typing import Literal

import numpy as np


class FindingChanged(AssertionError):
    """A measurement no longer supports the finding that the course reports."""


def claim(
    number: str,
    statement: str,
    *,
    measured: object,
    holds: bool | np.bool_,
    finding: Literal["reproduced", "not reproduced"] = "reproduced",
    kind: Literal["result", "speed"] = "result",
) -> None:
    """Print one line with the number measured just now.

    number: lesson and claim, as in "03.2". measured: what came out, rounded for the reader.
    holds: does the statement hold for what was measured? True or False; TypeError for a number, a
    tensor or a text, which are all true unless they are 0 or empty.
    finding: what this course found. `FindingChanged` is raised when `holds` contradicts it, so
    that a lost result is seen, and so is a lost failure.
    kind: "speed" depends on the machine: printed, never raised.
    """
    if not isinstance(holds, bool | np.bool_):
        raise TypeError(f"holds is {holds!r}: write a comparison, such as  measured < 0.1")
    if finding not in ("reproduced", "not reproduced"):
        raise ValueError(f"finding is {finding!r}: write 'reproduced' or 'not reproduced'")
    if kind not in ("result", "speed"):
        raise ValueError(f"kind is {kind!r}: write 'result' or 'speed'")
    found = "reproduced" if holds else "not reproduced"
    verdict = f"on this machine: {'yes' if holds else 'no'}" if kind == "speed" else found
    print(
        fill(f"Claim {number}: {statement}", 96, subsequent_indent="    "),
        fill(f"  measured: {measured}  ->  {verdict}", 96, subsequent_indent="    "),
        sep="\n",
    )
    if kind == "result" and found != finding:
        raise FindingChanged(
            f"claim {number} is recorded as {finding!r}, but this run measured {measured}. "
            "Look for what changed before changing the record."
        )
