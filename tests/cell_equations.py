"""The equations of the course's cells, as lines: what the cell widget and its tests read."""

import inspect
import re

import numpy as np

from lecture_utils.models import cell_variants as variants
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.rnn import RNNCell

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
}


def _documented(cell):
    return [line for line in inspect.getdoc(cell).splitlines() if re.match(r"\w+~?_t +=", line)]


EQUATIONS = {name: _documented(cell) for name, cell in CELLS.items()} | {
    "RNN": ["h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)"],
    "LSTM": [
        "i_t = sigma(W_xi x_t + W_hi h_{t-1} + b_i)",
        "f_t = sigma(W_xf x_t + W_hf h_{t-1} + b_f)",
        "o_t = sigma(W_xo x_t + W_ho h_{t-1} + b_o)",
        "g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)",
        "c_t = f_t * c_{t-1} + i_t * g_t",
        "h_t = o_t * tanh(c_t)",
    ],
    "GRU": [
        "r_t  = sigma(W_xr x_t + W_hr h_{t-1} + b_r)",
        "z_t  = sigma(W_xz x_t + W_hz h_{t-1} + b_z)",
        "h~_t = tanh(W_xh x_t + W_hh (r_t * h_{t-1}) + b_h)",
        "h_t  = z_t * h_{t-1} + (1 - z_t) * h~_t",
    ],
}

SIZES = {
    "RNN": (2, 1), "LSTM": (8, 4), "GRU": (6, 3), "MUT1": (4, 3), "MUT2": (5, 3), "MUT3": (6, 3),
    "LSTM with peepholes": (8, 7), "no input gate": (6, 5), "no forget gate": (6, 5),
    "no output gate": (6, 5), "no input activation": (8, 7), "no output activation": (8, 7),
    "coupled gates": (6, 5), "full gate recurrence": (17, 7), "NAS cell": (16, 0),
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
