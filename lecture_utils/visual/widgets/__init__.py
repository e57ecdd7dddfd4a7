"""The widgets of the course. Each takes arrays and strings, runs in the browser, has a poster."""

from lecture_utils.visual.widgets.attention_explorer import AttentionExplorer, Looked, Share
from lecture_utils.visual.widgets.bptt_film import BPTTFilm
from lecture_utils.visual.widgets.caption_stepper import CaptionStepper
from lecture_utils.visual.widgets.cell_explorer import CellExplorer, Context, Found, Reading
from lecture_utils.visual.widgets.cell_programmer import CellProgrammer
from lecture_utils.visual.widgets.cell_wiring import CellWiring, Wiring
from lecture_utils.visual.widgets.gate_stepper import GateStepper
from lecture_utils.visual.widgets.gradient_flow import GradientFlow
from lecture_utils.visual.widgets.pixel_film import Completion, PixelFilm
from lecture_utils.visual.widgets.pixel_sight import PixelSight
from lecture_utils.visual.widgets.rnn_stepper import RNNStepper
from lecture_utils.visual.widgets.training_scrubber import TrainingScrubber

__all__ = [
    "AttentionExplorer", "BPTTFilm", "CaptionStepper", "CellExplorer", "CellProgrammer",
    "CellWiring", "Completion", "Context", "Found", "GateStepper", "GradientFlow", "Looked",
    "PixelFilm", "PixelSight", "RNNStepper", "Reading", "Share", "TrainingScrubber", "Wiring",
]
