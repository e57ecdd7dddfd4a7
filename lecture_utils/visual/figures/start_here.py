"""The map of the course, for notebook 00."""

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from lecture_utils.visual.style import COLOURS, Picture, described, picture

LESSONS = {
    # number: (title, column, row, lessons it builds on)
    "01": ("The recurrence", 0, 0, []),
    "02": ("Backpropagation\nthrough time", 1, 0, ["01"]),
    "03": ("Vanishing\ngradients", 2, 0, ["02"]),
    "04": ("LSTM", 3, 0, ["03"]),
    "05": ("Cells by design\nand by search", 4, 0, ["04"]),
    "06": ("What the\ncells know", 0, 1, ["04"]),
    "07": ("Pixel by pixel", 1, 1, ["04"]),
    "08": ("Captions", 2, 1, ["04"]),
    "09": ("Captions with\nattention", 3, 1, ["08"]),
    "10": ("Questions,\ndialogue, directions", 4, 1, ["09"]),
    "11": ("Sequence to\nsequence", 0, 2, ["04"]),
    "12": ("Attention from\nthe ground up", 1, 2, ["11"]),
    "13": ("The Transformer", 2, 2, ["12"]),
    "14": ("Swin\nTransformer V2", 3, 2, ["13"]),
    "15": ("FlashAttention\nand Mamba", 4, 2, ["13"]),
}
GROUPS = ["recurrence", "memory at work", "attention"]


def course_map(available: set[str]) -> Picture:
    """All lessons in three rows; those that are not there yet are dashed."""
    figure, ax = picture(9, 4.4)
    for number, (title, column, row, needs) in LESSONS.items():
        here = number in available
        x, y = 1.9 * column, -1.35 * row
        ax.add_patch(
            FancyBboxPatch(
                (x - 0.78, y - 0.42),
                1.56,
                0.84,
                boxstyle="round,pad=0,rounding_size=0.1",
                lw=1.6,
                facecolor="#EAF3FA" if here else "white",
                linestyle="-" if here else (0, (3, 2)),
                edgecolor=COLOURS["hidden"] if here else "#AAAAAA",
                zorder=2,
            )
        )
        above = [need for need in needs if LESSONS[need][2] != row]
        head = number + (f"  (after {above[0]})" if above else "")
        ax.text(x, y + 0.26, head, ha="center", va="center", fontsize=8, color="#666666", zorder=3)
        ax.text(
            x,
            y - 0.08,
            title,
            ha="center",
            va="center",
            fontsize=9.5,
            zorder=3,
            color="black" if here else "#777777",
        )
        for need in set(needs) - set(above):
            start = 1.9 * LESSONS[need][1] + 0.78
            bend = 0.0 if x - start < 1.5 else -0.28
            ax.add_patch(
                FancyArrowPatch(
                    (start, y + 0.3 * (bend < 0)),
                    (x - 0.78, y + 0.3 * (bend < 0)),
                    arrowstyle="-|>",
                    connectionstyle=f"arc3,rad={bend}",
                    lw=1.1,
                    color="#999999",
                    mutation_scale=9,
                    shrinkA=1,
                    shrinkB=1,
                    zorder=1,
                )
            )
    for row, name in enumerate(GROUPS):
        ax.text(
            -1.0,
            -1.35 * row,
            name,
            rotation=90,
            ha="center",
            va="center",
            fontsize=9,
            color="#555555",
        )
    ax.set_xlim(-1.15, 8.45)
    ax.set_ylim(-3.2, 0.5)
    ax.axis("off")
    listed = ", ".join(
        f"{n} {LESSONS[n][0]}".replace("\n", " ") for n in sorted(available & set(LESSONS))
    )
    return described(
        figure,
        f"Map of the course: 15 lessons in three rows, recurrence, memory at work, "
        f"attention; arrows and the words after NN say what builds on what. So far: {listed}.",
    )
