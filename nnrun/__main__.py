"""The process: settings that must stand before NumPy loads, then the command line."""

import os

ONE_BLAS_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


def main() -> None:
    """Entry point of `nnrun` and `python -m nnrun`."""
    # More threads slow small products down many times over and change the bits; training.blas_threads raises it.
    os.environ.update(dict.fromkeys(ONE_BLAS_THREAD, "1"))
    from nnrun.cli.app import app

    app()


if __name__ == "__main__":
    main()
