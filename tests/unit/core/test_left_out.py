"""A process imports nothing that it leaves out."""

import subprocess
import sys

PROGRAM = """
import sys
from imagemake.core.left_out import import_pyarrow_without_pandas
import_pyarrow_without_pandas()
import pyarrow as pa
assert pa.array([1, None], pa.int64()).to_pylist() == [1, None]
assert "pandas" not in sys.modules
import pandas  # as a plug-in may
assert pandas.DataFrame
"""


def test_pyarrow_goes_without_pandas_and_others_do_not():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
