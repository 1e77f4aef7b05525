# SPDX-License-Identifier: Apache-2.0
"""Runs an example as it is, in one of several processes, and lets torch's gloo come to rest before it is taken down:

    python gloo.py EXAMPLE.py ARGUMENTS...

A thread of gloo's that has just done the last collective wants the GIL to let go of its tensors. Where Python ends
first, the process aborts ("terminate called without an active exception"); where the process group is destroyed first
by somebody who has the GIL, as DistributedDataParallel's reducer does, both wait for ever. Seen with torch 2.13; a
moment is enough, and none of it is hsfeed's. What is tested stays the example: it comes to its end either way.
"""

import os
import runpy
import sys
import time


def is_at_work():
    """Does one of gloo's threads run, or want to?"""
    for tid in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{tid}/stat", encoding="utf-8") as file:
                name, _, fields = file.read().rpartition(")")
        except OSError:
            continue  # it has just ended
        if "pt_gloo_runloop" in name and fields.split()[0] != "S":
            return True
    return False


def rest():
    """Returns when all of gloo's threads have stood still while the GIL was free."""
    quiet = 0
    while quiet < 3:
        time.sleep(0.01)
        quiet = 0 if is_at_work() else quiet + 1


def run(example, arguments):
    import torch.distributed as dist

    destroy = dist.destroy_process_group

    def destroyed(*args, **kwargs):
        rest()
        destroy(*args, **kwargs)

    dist.destroy_process_group = destroyed
    sys.argv = [example, *arguments]
    sys.path.insert(0, os.path.dirname(example))
    runpy.run_path(example, run_name="__main__")
    rest()


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
