"""What every recipe writes on its card, so that all cards answer the same questions."""

import shlex


def card(
    recipe: str,
    argv: list[str],
    *,
    seed: int | list[int],
    data: str,
    steps: int,
    metrics: dict[str, float],
    seconds: float,
    **more,
) -> dict:
    """The card of one run of `python -m lecture_utils.recipes RECIPE ARGV`.

    data: what it learned from, so that a reader can find it. steps: updates of one run.
    metrics: what was measured at the end, rounded. seconds: how long it took.
    more: sizes of the model, source, number of runs. `checkpoints` adds versions and hash.
    """
    return {
        "command": shlex.join(["python", "-m", "lecture_utils.recipes", recipe, *argv]),
        "seed": seed,
        "data": data,
        "steps": steps,
        "metrics": metrics,
        "seconds": round(seconds, 1),
        **more,
    }
