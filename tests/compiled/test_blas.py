"""Whose routine multiplies the matrices of compiled code."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from nnrun.compiled import blas
from tests.compiled.test_agreement import CLOSE, far, options_of


@pytest.fixture
def asked_anew() -> Iterator[None]:
    blas.gemm_address.cache_clear()
    yield
    blas.gemm_address.cache_clear()


@pytest.mark.parametrize("dtype", [*CLOSE])
def test_of_a_wheel_it_is_numpys_own(dtype: str) -> None:
    if np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"] != "scipy-openblas":
        pytest.skip("NumPy is linked with another library here")
    assert blas.gemm_address(np.dtype(dtype)) == blas._of_numpy(blas.OF_NUMPY[dtype]) != 0


@pytest.mark.parametrize("dtype", [*CLOSE])
@pytest.mark.usefixtures("asked_anew")
def test_elsewhere_it_is_scipys(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which reads the lower half of each whole number that it is given."""
    monkeypatch.setattr(blas, "OF_NUMPY", dict.fromkeys(CLOSE, "a name that no library has"))
    for hidden in ((6, 5), (300, 70)):
        technique = {"batch_norm": True, "l2": 0.1, "hidden": hidden}
        assert (
            far(options_of("relu", "adam", dtype, "cross_entropy", 3, weighted=False, technique=technique))
            < CLOSE[dtype]
        )
    assert blas.gemm_address(np.dtype(dtype)) == blas._of_scipy(blas.OF_SCIPY[dtype])
