"""Start a script of a job, in a fork of Snakemake's process if that offers one; see `imagemake.workflow.fork_server`.

python start.py NAME ARGUMENTS
"""

import runpy
import sys
from pathlib import Path

from imagemake.workflow.forked_script import run_in_fork

if __name__ == "__main__":
    script = str(Path(__file__).with_name(f"{sys.argv[1]}.py"))
    sys.argv[:2] = [script]
    run_in_fork(script, sys.argv[1:])
    runpy.run_path(script, run_name="__main__")
