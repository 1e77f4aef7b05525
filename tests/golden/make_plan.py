#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes splits_*.json, weights.json and orders_*.json beside itself: what the real numpy, scikit-learn,
iterative-stratification and torch do, for unit tests that need none of them. Inputs are drawn from a fixed seed."""
import importlib.metadata
import json
import pathlib
import random
import warnings

import numpy
import sklearn
import torch
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, train_test_split
from sklearn.utils.class_weight import compute_class_weight
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


def split_case(case, make_splitter, labels=None, groups=None):
    """case with the folds, or the error, of a splitter, and its warning."""
    n = len(labels if groups is None else groups)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            folds = [0] * n
            for fold, (_, val) in enumerate(make_splitter().split(numpy.zeros(n), labels, groups)):
                for i in val:
                    folds[i] = fold
            case["folds"] = folds
        except ValueError as e:
            case["error"] = str(e)
    case["warning"] = str(caught[0].message) if caught and "folds" in case else ""
    return case


def multilabel_cases():
    rng = random.Random(2)
    for n, nlabels, k, density in [(12, 2, 3, 0.4), (40, 3, 5, 0.2), (60, 5, 5, 0.1), (60, 4, 7, 0.6), (30, 2, 3, 0.0),
                                   (30, 3, 4, 1.0), (9, 3, 9, 0.5), (50, 6, 10, 0.05), (5, 2, 6, 0.5), (5, 2, 1, 0.5),
                                   (10, 1, 2, 0.5), (0, 2, 3, 0.5)]:
        rows = [[int(rng.random() < density) for _ in range(nlabels)] for _ in range(n)]
        seed = rng.choice(SEEDS)
        case = {"k": k, "seed": seed, "n": n, "nlabels": nlabels, "values": [v for row in rows for v in row]}
        yield split_case(case, lambda: MultilabelStratifiedKFold(k, shuffle=True, random_state=seed),
                         numpy.array(rows).reshape(n, nlabels))


def group_cases():
    rng = random.Random(3)
    for n, k, ngroups, nclasses in [(20, 3, 6, 2), (60, 5, 25, 2), (60, 5, 40, 3), (45, 9, 45, 9), (80, 4, 10, 1),
                                    (50, 10, 20, 12), (30, 5, 3, 2), (4, 5, 2, 2), (20, 8, 10, 10)]:
        numbers = rng.sample(range(1000), ngroups)
        groups = [rng.choice(numbers) for _ in range(n)]
        classes = [int(nclasses * rng.random() ** 2) for _ in range(n)]
        for seed in [None, rng.choice(SEEDS)]:
            for stratified in [False, True]:
                kind = StratifiedGroupKFold if stratified else GroupKFold
                case = {"k": k, "shuffle": seed is not None, "seed": seed or 0, "stratified": stratified,
                        "groups": groups, "classes": classes}
                yield split_case(case, lambda: kind(k, shuffle=seed is not None, random_state=seed), classes, groups)


def holdout_cases():
    rng = random.Random(4)
    for n, nclasses, test, train, shuffle in [
            (20, 0, None, None, True), (20, 0, 0.3, None, True), (21, 0, None, 0.4, True), (20, 0, 5, 10, True),
            (20, 0, 0.25, None, False), (40, 2, 0.2, None, True), (41, 5, 0.3, 0.3, True), (40, 4, 7, 9, True),
            (60, 12, None, None, True), (10, 2, 1.5, None, True), (10, 2, 0, None, True), (10, 2, 10, None, True),
            (10, 0, 0.6, 0.7, True), (10, 0, 6, 5, True), (1, 0, None, None, True), (12, 5, 3, None, True),
            (40, 2, 0.1, None, False), (5, 0, 1e-5, 1 - 2**-53, True), (12, 12, 0.5, None, True)]:
        classes = [int(nclasses * rng.random()) for _ in range(n)] if nclasses else None
        seed = rng.choice(SEEDS)
        case = {"n": n, "test": test, "train": train, "shuffle": shuffle, "seed": seed, "classes": classes}
        try:
            parts = train_test_split(numpy.arange(n), test_size=test, train_size=train, shuffle=shuffle,
                                     random_state=seed, stratify=classes)
            case["rows"] = [part.tolist() for part in parts]
        except ValueError as e:
            case["error"] = str(e)
        yield case


def bits(values):
    return numpy.array(values, numpy.float64).astype(numpy.float32).view(numpy.uint32).tolist()


def weight_cases():
    """Weights as the bits of their float32."""
    pairs = numpy.array([(1, 1), (3, 10), (7, 1000003), (1, 99999999), (12345, 678), (5, 0), (44000, 44001)], float)
    pos, neg = pairs.T
    yield {"scheme": "ratio", "pairs": pairs.astype(int).tolist(), "bits": bits(neg / pos)}
    yield {"scheme": "sqrt", "pairs": pairs.astype(int).tolist(), "bits": bits(numpy.sqrt(neg / pos))}
    yield {"scheme": "log", "pairs": pairs.astype(int).tolist(), "bits": bits(numpy.log1p(neg / pos))}
    for beta in [0.9999, 0.5]:
        yield {"scheme": "effective", "beta": beta, "pairs": pairs.astype(int).tolist(),
               "bits": bits((1 - beta) / (1 - beta**pos))}
    for counts in [[1, 2, 3], [7, 44000, 13, 1], [5]]:
        y = numpy.repeat(numpy.arange(len(counts)), counts)
        yield {"scheme": "balanced", "counts": counts,
               "bits": bits(compute_class_weight("balanced", classes=numpy.arange(len(counts)), y=y))}


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
    head = {"versions": {"numpy": numpy.__version__, "scikit-learn": sklearn.__version__, "torch": torch.__version__,
                         "iterative-stratification": importlib.metadata.version("iterative-stratification")},
            "made_by": "tests/golden/make_plan.py"}
    lines = ",\n".join(json.dumps(case) for case in cases)
    text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    (pathlib.Path(__file__).parent / name).write_text(text)


if __name__ == "__main__":
    write("splits_generator.json", map(generator_case, SEEDS))
    write("splits_folds.json", fold_cases())
    write("splits_multilabel.json", multilabel_cases())
    write("splits_groups.json", group_cases())
    write("splits_holdout.json", holdout_cases())
    write("weights.json", weight_cases())
    write("orders_randperm.json", randperm_cases())
    write("orders_distributed.json", distributed_cases())
