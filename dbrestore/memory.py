"""How a restore gets its memory."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress
from importlib.abc import MetaPathFinder

ARROW_POOL = "ARROW_DEFAULT_MEMORY_POOL"
"""Names Arrow's allocator (https://arrow.apache.org/docs/cpp/env_vars.html); read once, when pyarrow is imported."""
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""Names the threads that numpy starts for linear algebra; read once, when it is imported."""
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Of glibc's malloc.h."""
PANDAS = "pandas"
MAPPED_BYTES = 4 * 1024**2
"""What is larger goes back to the system as soon as it is freed: no buffer of a batch of common rows is."""
KEPT_BYTES = 16 * 1024**2
"""What may be free at the end of the heap without going back; it would be asked for again for the next batch, page by
page, which takes a tenth of the time of encoding."""


def set_up_libraries() -> None:
    """Have all of Arrow use the system's allocator, and numpy no threads, unless the user has said otherwise.

    Before either is imported.

    What reads Parquet takes its pages from Arrow's default pool, whatever ``set_memory_pool`` says: at 4 jobs mimalloc
    keeps 70 MiB there for pages of 18.
    """
    os.environ.setdefault(ARROW_POOL, "system")
    os.environ.setdefault(BLAS_THREADS, "1")


def use_little_memory() -> None:
    """Keep what is freed for the next batch, whichever thread that is in.

    Measured at 4 jobs: with the system's allocator 333 MiB at the peak, against 465 with Arrow's own choice, mimalloc,
    and no slower; with one arena for all threads another 20 to 70 MiB less. pandas, where it is installed, would take
    45 MiB. What is imported by now is here to stay, so no collection has to look at it.
    """
    import pyarrow as pa  # noqa: PLC0415 - not before set_up_libraries(), and not for --help

    _leave_out_pandas()
    gc.freeze()
    gc.enable()
    pa.set_memory_pool(pa.system_memory_pool())
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no such thing
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_ARENA_MAX, 1)
            mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
            mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


class _Refusal(MetaPathFinder):
    """Finds no pandas."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == PANDAS:
            raise ModuleNotFoundError(name=name)


def _leave_out_pandas() -> None:
    """Have pyarrow look for pandas now, in vain: it does so once, for the first array of Python's or numpy's values.

    It would take those of pandas' own types in another way, of which there are none here. Importing pandas takes a
    quarter of a second.
    """
    if PANDAS in sys.modules:
        return
    import pyarrow as pa  # noqa: PLC0415 - as above

    refusal = _Refusal()
    sys.meta_path.insert(0, refusal)
    try:
        pa.array([])  # of a type that it has to find out, for which another part of it looks as well
    finally:
        sys.meta_path.remove(refusal)
