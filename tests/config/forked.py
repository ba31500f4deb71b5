"""What test_forks has forked: says who it is, waits, or leaves a file."""

import json
import os
import random
import sys
import time
import uuid
from pathlib import Path

from django.conf import settings

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["sleep"]:
            time.sleep(60)
        case ["touch", path]:
            Path(path).touch()
        case [status]:
            pool = settings.DATABASES["default"]["OPTIONS"]["pool"]
            facts = {
                "random": random.random(),
                "uuid": str(uuid.uuid4()),
                "parent": os.getppid(),
                "session": os.getsid(0),
                "files": sorted(os.listdir("/proc/self/fd"))[:-1],
                "title": Path("/proc/self/cmdline").read_text().rstrip("\0").split("\0")[1:],
                "pool": pool["max_size"],
                "told": os.environ["TOLD"],
            }
            print(json.dumps(facts))
            sys.exit(int(status))
