"""Runs the supervisor as `make` does: as a child that it waits for."""

import subprocess
import sys

if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, "-m", "config.supervisor", *sys.argv[1:]]))
