"""What every test run needs: shapes checked at run time, kernels without network, nbval's `;`."""

import os
import shutil
import tempfile

import jaxtyping
import pytest
from nbval.kernel import RunningKernel

# The shapes in the package's signatures are checked in each call while tests run.
# An int where a float is asked for is fine, as everywhere in Python (PEP 484).
jaxtyping.install_import_hook(
    "lecture_utils", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)


@pytest.fixture
def as_a_reader_runs_it():
    """Without the run-time shape checks of pytest: what is left is what a reader gets."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def execute_as_a_front_end_does(kernel, code, allow_stdin=None):
    """nbval 0.11 passes store_history=False, under which a trailing `;` does not silence a cell.

    https://github.com/computationalmodelling/nbval/issues/194
    """
    return kernel.kc.execute(code, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


RunningKernel.execute_cell_input = execute_as_a_front_end_does


def pytest_configure(config):
    """Give nbval's kernels the start-up file that turns the network off."""
    if config.option.nbval or config.option.nbval_lax:
        from tools.refresh import write_ipython_folder

        folder = tempfile.mkdtemp(prefix="ipython-offline-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        write_ipython_folder(folder)
        os.environ["IPYTHONDIR"] = folder


def pytest_collection_modifyitems(items):
    """Report the tests marked `gpu` as skipped where there is no CUDA."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))
