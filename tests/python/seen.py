# SPDX-License-Identifier: Apache-2.0
"""Runs an example as it is and writes down which rows its loaders handed out, and in which epoch:

    python seen.py FOLDER EXAMPLE.py ARGUMENTS...

FOLDER gets a file for each process and run, of lines {"rank", "split", "epoch", "rows"}: one for each batch.
"""

import json
import os
import sys
import uuid

import gloo
import hsfeed


def record(folder):
    """Every batch of every loader of this process, in the order in which they are handed out."""
    path = os.path.join(folder, f"{os.environ.get('RANK', '0')}-{uuid.uuid4().hex}.jsonl")
    file = open(path, "a")  # noqa: SIM115  (until the process ends)
    begin = hsfeed.Loader.__iter__

    def recorded(loader):
        # The pass begins now, as without this, and not at its first batch.
        return written(loader, begin(loader))

    def written(loader, batches):
        for batch in batches:
            line = {"rank": os.environ.get("RANK", "0"), "split": loader.dataset.split}
            file.write(json.dumps({**line, "epoch": batch.epoch, "rows": batch.index.tolist()}) + "\n")
            file.flush()
            yield batch

    hsfeed.Loader.__iter__ = recorded


def load_onto_cpu_0():
    """Accelerate calls the CPU of several processes cpu:0, and the Trainer loads an optimizer onto that, which
    torch.load does not know. GPUs have no such trouble.
    """
    from torch.serialization import register_package

    register_package(0, lambda storage: None, lambda storage, place: storage if place == "cpu:0" else None)


if __name__ == "__main__":
    load_onto_cpu_0()
    record(sys.argv[1])
    gloo.run(sys.argv[2], sys.argv[3:])
