#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes splits_*.json and orders_*.json beside itself: what the real numpy, scikit-learn and torch do, for unit tests
that need none of them. Inputs are drawn here from a fixed seed."""
import json
import pathlib
import random
import warnings

import numpy
import sklearn
import torch
from sklearn.model_selection import KFold, StratifiedKFold
from torch.utils.data import DistributedSampler

SEEDS = [0, 1, 42, 2**31, 2**32 - 1]


def generator_case(seed):
    state = numpy.random.RandomState(seed)
    words = [int(state.randint(0, 2**32, dtype=numpy.uint32)) for _ in range(640)]
    state = numpy.random.RandomState(seed)
    below = [0, 1, 4, 6, 255, 256, 1000, 2**31, 2**32 - 1]
    draws = [int(state.randint(0, m + 1, dtype=numpy.int64)) for m in below]
    shuffled = numpy.arange(50)
    state.shuffle(shuffled)
    return {"seed": seed, "words": words[:4] + words[622:628], "below": below, "draws": draws,
            "then_shuffled": shuffled.tolist()}


def fold_case(kind, classes, k, seed):
    splitter = (StratifiedKFold if kind == "stratified" else KFold)(k, shuffle=seed is not None, random_state=seed) \
        if k > 1 else None
    case = {"kind": kind, "k": k, "shuffle": seed is not None, "seed": seed or 0, "classes": classes}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            splitter = splitter or KFold(k)
            folds = [0] * len(classes)
            for fold, (_, val) in enumerate(splitter.split(classes, numpy.array(classes, dtype=int))):
                for i in val:
                    folds[i] = fold
            case["folds"] = folds
        except ValueError as e:
            case["error"] = str(e)
    case["warning"] = str(caught[0].message) if caught else ""
    return case


def fold_cases():
    rng = random.Random(1)
    for kind in ["plain", "stratified"]:
        for n, k, nclasses in [(10, 5, 2), (11, 3, 2), (60, 5, 2), (60, 5, 4), (40, 7, 12), (47, 10, 3), (9, 9, 1),
                               (30, 2, 30), (3, 5, 2), (0, 5, 1), (6, 1, 2), (20, 11, 2), (20, 6, 5), (8, 4, 60)]:
            names = rng.sample(range(100), nclasses)
            classes = [names[int(nclasses * rng.random() ** 2)] for _ in range(n)]
            for seed in [None, rng.choice(SEEDS)]:
                yield fold_case(kind, classes, k, seed)


def randperm_cases():
    for seed in [0, 42, -1, 2**32 + 42, 2**63 - 1]:
        for n in [0, 1, 2, 33, 64, 70]:
            perm = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
            yield {"n": n, "seed": seed, "perm": perm.tolist()}


def distributed_cases():
    for n, world in [(10, 3), (10, 1), (3, 8), (1, 4), (12, 4), (13, 4), (4, 4)]:
        for drop_last in [False, True]:
            ranks = []
            for rank in range(world):
                sampler = DistributedSampler(range(n), world, rank, shuffle=True, seed=7, drop_last=drop_last)
                sampler.set_epoch(2)
                ranks.append(list(sampler))
            yield {"n": n, "world": world, "seed": 9, "drop_last": drop_last, "ranks": ranks}


def write(name, cases):
    head = {"versions": {"numpy": numpy.__version__, "scikit-learn": sklearn.__version__, "torch": torch.__version__},
            "made_by": "tests/golden/make_plan.py"}
    lines = ",\n".join(json.dumps(case) for case in cases)
    text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    (pathlib.Path(__file__).parent / name).write_text(text)


if __name__ == "__main__":
    write("splits_generator.json", map(generator_case, SEEDS))
    write("splits_folds.json", fold_cases())
    write("orders_randperm.json", randperm_cases())
    write("orders_distributed.json", distributed_cases())
