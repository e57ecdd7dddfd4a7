"""The equations of the course's cells, as lines: what the cell widget and its tests read."""

import numpy as np

from lecture_utils.models import cell_variants as variants
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.rnn import RNNCell
from lecture_utils.recipes import cells as bench

CELLS = {
    "RNN": RNNCell,
    "LSTM": LSTMCell,
    "GRU": GRUCell,
    "MUT1": variants.MUT1Cell,
    "MUT2": variants.MUT2Cell,
    "MUT3": variants.MUT3Cell,
    "LSTM with peepholes": variants.PeepholeLSTMCell,
    "no input gate": variants.NoInputGate,
    "no forget gate": variants.NoForgetGate,
    "no output gate": variants.NoOutputGate,
    "no input activation": variants.NoInputActivation,
    "no output activation": variants.NoOutputActivation,
    "coupled gates": variants.CoupledGates,
    "full gate recurrence": variants.FullGateRecurrence,
    "NAS cell": variants.NASCell,
    "GRU, uncoupled": variants.UncoupledGRUCell,
    "peepholes, c clipped": variants.ClippedLSTMCell,
}


EQUATIONS = {name: list(bench.equations(name)) for name in CELLS}

SIZES = {
    "RNN": (2, 1), "LSTM": (8, 4), "GRU": (6, 3), "MUT1": (4, 3), "MUT2": (5, 3), "MUT3": (6, 3),
    "LSTM with peepholes": (8, 7), "no input gate": (6, 5), "no forget gate": (6, 5),
    "no output gate": (6, 5), "no input activation": (8, 7), "no output activation": (8, 7),
    "coupled gates": (6, 5), "full gate recurrence": (17, 7), "NAS cell": (16, 0),
    "GRU, uncoupled": (8, 4), "peepholes, c clipped": (8, 7),
}
"""How many matrices and vectors."""


def wirings(T=60):
    """name -> what `Wiring` takes, with made-up gradients that all differ; one underflows to 0."""
    result = {}
    for k, (name, (squares, vectors)) in enumerate(SIZES.items()):
        gradient = np.exp(-np.arange(T) * np.linspace(1.1, 0.01, len(SIZES))[k])
        if name == "full gate recurrence":
            gradient[40:] = 0
        result[name] = EQUATIONS[name], squares, vectors, gradient
    return result
