"""The package under the executable lecture: how sequence models work.

Floors, lowest first; a module imports from its own floor or a lower one:
trace, claims, runtime, gradcheck | datasets, models | training | visual | recipes | exercises.
"""

from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"
"""What ships with the course: checkpoints/, experiments/ and the story."""
