"""Start a script of a job, in a fork of Snakemake's process if that offers one; see `imagemake.workflow.fork_server`.

python start.py NAME ARGUMENTS
"""

import os
import sys

from imagemake.workflow.forked_script import run_in_fork

if __name__ == "__main__":
    script = os.path.join(os.path.dirname(__file__), f"{sys.argv[1]}.py")  # noqa: PTH118, PTH120  pathlib is slow to import
    sys.argv[:2] = [script]
    run_in_fork(script, sys.argv[1:])
    import runpy  # only where it is needed, since a process that waits starts for each job

    runpy.run_path(script, run_name="__main__")
