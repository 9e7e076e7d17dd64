"""A process imports nothing that it leaves out."""

import subprocess
import sys

PROGRAM = """
import sys
from imagemake.core.left_out import leave_out
leave_out("pandas")
import pyarrow as pa
assert pa.array([1, None], pa.int64()).to_pylist() == [1, None]
assert "pandas" not in sys.modules
try:
    import pandas
except ImportError as error:
    assert error.name == "pandas"
else:
    raise AssertionError
"""


def test_pyarrow_goes_without_pandas():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
