"""`hq-ray` as on another machine, whose disk has no locks and where silence is soon an absence.

python elsewhere.py HOST COMMAND...
"""

import fcntl
import socket
import sys

from hq_ray.cli import run_command_line
from hq_ray.sweeps import ownership

BEAT_SECONDS, GONE_SECONDS = 0.2, 3.0


def no_locks(*arguments):
    raise OSError("no locks here")


def main():
    fcntl.flock = no_locks
    socket.gethostname = lambda: sys.argv[1]
    ownership.BEAT_SECONDS, ownership.GONE_SECONDS = BEAT_SECONDS, GONE_SECONDS
    sys.exit(run_command_line(sys.argv[2:]))


if __name__ == "__main__":
    main()
