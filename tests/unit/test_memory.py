from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import sys
import dbrestore.restore, dbrestore.verification.comparison
assert "pandas" not in sys.modules, "imported by import"
from dbrestore.memory import use_little_memory
import numpy as np, pyarrow as pa
use_little_memory()
numbers = pa.array(np.arange(3), mask=np.array([True, False, True]))
pa.array([True, None]), pa.array(["a"], pa.string()), pa.scalar(b""), pa.scalar("a", pa.string())
np.asarray(pa.array([1])), numbers.is_valid().to_numpy(zero_copy_only=False), numbers.to_pylist()
assert "pandas" not in sys.modules, "imported for arrays"
import pandas
print(pandas.IS_REAL)
"""


def test_pandas_is_not_imported_for_arrays_and_still_can_be(tmp_path: Path) -> None:
    (tmp_path / "pandas.py").write_text("IS_REAL = False\n__version__ = '2.3.0'\n")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}){SCRIPT}"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "False\n", "")
