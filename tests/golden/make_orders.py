#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes orders_length.json and orders_batches.json beside itself: what the real transformers and accelerate do, for
unit tests that need neither. Inputs are drawn from a fixed seed."""
import json
import pathlib
import random

import accelerate
import torch
import transformers
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler, SequentialSampler
from transformers.trainer_pt_utils import DistributedLengthGroupedSampler, LengthGroupedSampler


def length_cases():
    rng = random.Random(1)
    for n, batch, values in [(1, 1, 5), (7, 1, 3), (16, 4, 3), (17, 4, 100), (63, 2, 4), (64, 16, 9), (65, 16, 1),
                             (150, 3, 40), (420, 2, 8), (30, 100, 6), (33, 32, 20)]:
        lengths = [3 + rng.randrange(values) for _ in range(n)]
        seed = rng.choice([0, 42, 2**32 + 7, 2**63 - 1])
        sampler = LengthGroupedSampler(batch, lengths=lengths, generator=torch.Generator().manual_seed(seed))
        yield {"n": n, "batch": batch, "seed": seed, "lengths": lengths, "order": list(sampler)}
        samplers = [DistributedLengthGroupedSampler(batch, num_replicas=1, rank=0, seed=40, lengths=lengths)]
        samplers[0].set_epoch(2)
        yield {"n": n, "batch": batch, "seed": 42, "lengths": lengths, "order": list(samplers[0])}


def batch_cases():
    """Places in an epoch's order, per rank and batch."""
    for n, batch, world in [(0, 2, 3), (1, 4, 3), (5, 4, 1), (7, 4, 4), (8, 2, 2), (9, 2, 2), (11, 2, 3), (12, 2, 3),
                            (13, 2, 3), (16, 3, 5), (37, 4, 2), (2, 1, 8)]:
        for even in [True, False]:
            for drop_last in [False, True]:
                ranks = [list(BatchSamplerShard(BatchSampler(SequentialSampler(range(n)), batch, drop_last), world,
                                                rank, even_batches=even)) for rank in range(world)]
                yield {"n": n, "batch": batch, "world": world, "even": even, "drop_last": drop_last, "ranks": ranks}


def write(name, cases):
    head = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                         "accelerate": accelerate.__version__}, "made_by": "tests/golden/make_orders.py"}
    lines = ",\n".join(json.dumps(case) for case in cases)
    text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    (pathlib.Path(__file__).parent / name).write_text(text)


if __name__ == "__main__":
    write("orders_length.json", length_cases())
    write("orders_batches.json", batch_cases())
