# SPDX-License-Identifier: Apache-2.0
"""iterative-stratification's folds, scikit-learn's group folds, hold-out and class weights beside ours."""
import json
import os
import random
import subprocess
import sys
import warnings

import numpy
import pytest

import plandump
import planmore

sklearn = pytest.importorskip("sklearn.model_selection")


@pytest.fixture(scope="module")
def plan():
    p = planmore.PlanMore()
    yield p
    p.close()


def refused(call, *args, **kwargs):
    with pytest.raises(planmore.Refused) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def theirs(splitter, n, y=None, groups=None):
    """(folds, warning, error) of a splitter made by a function, so that its constructor's errors count."""
    folds = numpy.full(n, -1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for fold, (_, val) in enumerate(splitter().split(numpy.zeros(n), y, groups)):
                folds[val] = fold
        except ValueError as e:
            return None, "", str(e)
    return folds, "".join(str(w.message) for w in caught if w.category is UserWarning), ""


def ours(call, *args, **kwargs):
    try:
        result = call(*args, **kwargs)
    except planmore.Refused as e:
        return None, "", str(e)
    return (*result, "") if isinstance(result, tuple) else (result, "", "")


def same(a, b, *case):
    assert a[1:] == b[1:], case
    assert (a[0] is None) == (b[0] is None) and (a[0] is None or numpy.array_equal(a[0], b[0])), case
    return bool(a[2])


def random_seed(rng):
    return rng.choice([0, 42, 2**32 - 1, rng.randrange(2**32)])


# Several labels

def test_golden_multilabel_folds(plan):
    cases = plandump.shared("golden/iterative_stratification.json")["cases"]
    for case in cases:
        values = numpy.array([[int(c) for c in row] for row in case["rows"]])
        if "error" in case:
            assert "ValueError: " + refused(plan.multilabel, values, case["k"], case["seed"]) == case["error"]
        else:
            plandump.agrees(plan.multilabel(values, case["k"], case["seed"], case["shuffle"]), case["fold_of_sample"])
    assert len(cases) == 64


def random_labels(rng, n, nlabels):
    """Sparse, dense, unequal, all equal, none, one positive, one label per row, copies of one column."""
    shape = rng.integers(8)
    density = rng.choice([0.02, 0.1, 0.3, 0.5, 0.9])
    values = rng.random((n, nlabels)) < density
    if shape == 0:
        values = rng.random((n, nlabels)) < rng.random(nlabels) ** 3
    elif shape == 1:
        values[:] = rng.random() < 0.5
    elif shape == 2:
        values[:] = False
        values[rng.integers(n), rng.integers(nlabels)] = rng.random() < 0.7
    elif shape == 3:
        values = numpy.eye(nlabels, dtype=bool)[rng.integers(nlabels, size=n)]
    elif shape == 4:
        values[:] = values[:, :1]
    return values.astype(numpy.float32)


def test_random_multilabel_folds_equal_iterative_stratification(plan):
    iterstrat = pytest.importorskip("iterstrat.ml_stratifiers", reason="iterative-stratification is not installed")
    rng, errors = numpy.random.default_rng(1), 0
    for case in range(2500):
        n = int(rng.choice([1, 2, 3, 5, 10, rng.integers(1, 60), rng.integers(1, 250)]))
        nlabels = int(rng.integers(1, 9))
        k = int(rng.choice([1, 2, 3, 5, 5, 7, 10, n, n + 1]))
        values, seed = random_labels(rng, n, nlabels), int(rng.choice([0, 42, 2**32 - 1, rng.integers(2**32)]))
        values *= rng.choice(numpy.array([1, 1, -2.5], numpy.float32))
        b = theirs(lambda: iterstrat.MultilabelStratifiedKFold(k, shuffle=True, random_state=seed), n, values)
        errors += same(ours(plan.multilabel, values, k, seed), b, case, n, nlabels, k, seed)
    assert 300 < errors < 1500


def test_multilabel_folds_of_missing_infinite_and_no_values_are_refused_as_by_the_package(plan):
    iterstrat = pytest.importorskip("iterstrat.ml_stratifiers", reason="iterative-stratification is not installed")
    for bad in [[numpy.nan], [numpy.inf], [-numpy.inf, numpy.nan], []]:
        values = numpy.zeros((6, 2), numpy.float32)
        values.reshape(-1)[3:3 + len(bad)] = bad
        values = values if bad else values[:0]
        b = theirs(lambda: iterstrat.MultilabelStratifiedKFold(2, shuffle=True, random_state=1), len(values), values)
        assert b[2]
        same(ours(plan.multilabel, values, 2, 1), b, bad)


def test_a_large_multilabel_set_equals_iterative_stratification(plan):
    iterstrat = pytest.importorskip("iterstrat.ml_stratifiers", reason="iterative-stratification is not installed")
    rng = numpy.random.default_rng(2)
    values = (rng.random((30_000, 5)) < [0.3, 0.1, 0.1, 0.01, 0.0003]).astype(numpy.float32)
    for k, seed in [(5, 42), (13, 7)]:
        b = theirs(lambda: iterstrat.MultilabelStratifiedKFold(k, shuffle=True, random_state=seed), len(values), values)
        same(ours(plan.multilabel, values, k, seed), b, k, seed)


# Groups

def test_golden_group_folds(plan):
    """The golden file has scikit-learn 1.2 on numpy 1.24: the older rule."""
    cases = plandump.shared("golden/group_splits.json")["cases"]
    for case in cases:
        labels = case.get("labels")
        classes = [int(c) for c in labels] if labels else None
        seed = case["seed"] if case.get("shuffle") else None
        if "error" in case:
            text = refused(plan.groups, case["groups"], case["k"], seed, classes, older=True)
            assert "ValueError: " + text == case["error"]
            continue
        folds, warning = plan.groups(case["groups"], case["k"], seed, classes, older=True)
        plandump.agrees(folds, case["fold_of_sample"])
        assert case.get("warning", "").endswith(warning) and bool(warning) == bool(case.get("warning"))
    assert len(cases) == 78


def random_groups(rng, n):
    ngroups = rng.choice([1, 2, 5, 16, 17, 40, max(1, n // 3), max(1, n)])
    numbers = [rng.randrange(2**32) for _ in range(ngroups)]
    power = rng.choice([1, 1, 3])
    if rng.random() < 0.3:
        return [numbers[i % ngroups] for i in range(n)]  # as equal in size as can be
    return [numbers[int(ngroups * rng.random() ** power)] for _ in range(n)]


def test_random_group_folds_equal_scikit_learn(plan):
    rng, errors = random.Random(3), 0
    for case in range(2000):
        n = rng.choice([1, 2, 5, rng.randrange(1, 60), rng.randrange(1, 400), rng.randrange(1, 2000)])
        k = rng.choice([1, 2, 3, 5, 5, 10, max(2, n // 4), n, n + 1])
        groups, seed = numpy.array(random_groups(rng, n)), rng.choice([None, random_seed(rng)])
        b = theirs(lambda: sklearn.GroupKFold(k, shuffle=seed is not None, random_state=seed), n, None, groups)
        errors += same(ours(plan.groups, groups, k, seed), b, case, n, k, seed)
    assert 300 < errors < 1700


def hostile_keys(n):
    """Keys for which every median of three is nearly the smallest, so that the sort falls back to a heap."""
    keys = [0] * n
    low = 0
    lo, order = 0, list(range(n))
    while n - lo > 16:  # the places that the next median is taken from get the smallest keys that are left
        hi, mid = n - 1, lo + (n - 1 - lo) // 2
        keys[order[lo]], keys[order[mid]] = low, low + 1
        low += 2
        order[mid], order[hi - 1] = order[hi - 1], order[mid]
        order[lo + 1], order[hi - 1] = order[hi - 1], order[lo + 1]
        lo += 2
    for i in range(lo, n):
        keys[order[i]] = low
    return keys


def sort_cases():
    rng = numpy.random.default_rng(4)
    yield from (hostile_keys(n) for n in [17, 100, 1000, 3000])
    for n in [0, 1, 2, 15, 16, 17, 18, 33, 100, 1000, 5000]:
        for spread in [1, 2, 3, 10, 100, 2**31]:
            yield rng.integers(0, spread, size=n).tolist()
        yield sorted(rng.integers(0, max(1, n // 4), size=n).tolist(), reverse=True)
        yield [min(i, n - i) for i in range(n)]


SORT_WITHOUT_SIMD = """
import json, sys, numpy
print(json.dumps([numpy.argsort(numpy.array(keys, int)).tolist() for keys in json.load(sys.stdin)]))
"""


def argsort_without_simd(cases):
    try:
        from numpy._core._multiarray_umath import __cpu_dispatch__ as features
    except ImportError:
        from numpy.core._multiarray_umath import __cpu_dispatch__ as features
    environment = dict(os.environ, NPY_DISABLE_CPU_FEATURES=" ".join(features))
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SORT_WITHOUT_SIMD], input=json.dumps(cases), text=True,
                          env=environment, capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_the_older_order_of_equal_groups_is_numpys_without_simd(plan):
    cases = list(sort_cases())
    for keys, order in zip(cases, argsort_without_simd(cases)):
        assert plan.argsort(keys, False).tolist() == order, len(keys)
        assert plan.argsort(keys, True).tolist() == numpy.argsort(keys, kind="stable").tolist()


def test_random_stratified_group_folds_equal_scikit_learn(plan):
    rng, warned, errors = random.Random(5), 0, 0
    for case in range(900):
        n = rng.choice([2, 5, 12, rng.randrange(2, 60), rng.randrange(2, 200), rng.randrange(2, 400)])
        k = rng.choice([1, 2, 3, 3, 5, 5, 8, 9, 10, n, n + 1])
        nclasses = rng.choice([1, 1, 2, 2, 2, 3, 5, 7, 8, 9, 17, 40, 150])
        power = rng.choice([1, 1, 3])
        classes = numpy.array([int(nclasses * rng.random() ** power) for _ in range(n)])
        if k * k * len(set(classes)) > 20000:
            continue  # scikit-learn's own time
        groups, seed = numpy.array(random_groups(rng, n)), rng.choice([None, random_seed(rng)])
        b = theirs(lambda: sklearn.StratifiedGroupKFold(k, shuffle=seed is not None, random_state=seed), n, classes,
                   groups)
        a = ours(plan.groups, groups, k, seed, classes)
        errors += same(a, b, case, n, k, seed, nclasses)
        warned += bool(a[1])
    assert warned > 60 and 60 < errors < 700, (warned, errors)


def test_without_shuffle_the_older_stratified_rule_equals_todays(plan):
    rng = random.Random(6)
    for _ in range(100):
        n = rng.randrange(60, 300)
        groups, classes = random_groups(rng, n), [rng.randrange(2) for _ in range(n)]
        if len(set(groups)) >= 5:
            assert ours(plan.groups, groups, 5, None, classes)[0].tolist() == \
                ours(plan.groups, groups, 5, None, classes, older=True)[0].tolist()


# Hold-out

def test_golden_train_test_split(plan):
    cases = plandump.shared("golden/train_test_split.json")["cases"]
    for case in cases:
        classes = [int(c) for c in case["labels"]] if case["labels"] else None
        if "error" in case:
            assert refused(plan.holdout, case["n"], case["seed"], case["test_size"], classes=classes)
            continue
        size = float(case["test_size"]) if isinstance(case["test_size"], float) else case["test_size"]
        train, test = plan.holdout(case["n"], case["seed"], size, classes=classes)
        plandump.agrees(train, case["train"])
        plandump.agrees(test, case["test"])
    assert len(cases) == 40


def random_size(rng, n):
    fraction = rng.choice([rng.random(), 0.1, 0.2, 0.25, 0.5, 0.33, rng.random() ** 6])
    rare = rng.choice([0.0, 1.0, -0.5, 1.5, 1e-5, 1e-17, 1 - 2**-53, 2.0, 1e22, float("inf"), float("nan"),
                       0, n, n + 1, -1, 1, n - 1])
    return rng.choice([None, None, fraction, fraction, rng.randrange(n + 1), rare])


def test_random_hold_outs_equal_train_test_split(plan):
    rng, errors = random.Random(7), 0
    for case in range(3000):
        n = rng.choice([1, 2, 3, 5, 10, rng.randrange(1, 100), rng.randrange(1, 3000)])
        test, train, seed = random_size(rng, n), random_size(rng, n), random_seed(rng)
        shuffle = rng.random() < 0.9
        nclasses = rng.choice([1, 2, 2, 3, 5, 20, max(1, n // 3)])
        power = rng.choice([1, 1, 4])
        classes = numpy.array([int(nclasses * rng.random() ** power) for _ in range(n)])
        classes = classes if rng.random() < 0.6 else None
        try:
            b = sklearn.train_test_split(numpy.arange(n), test_size=test, train_size=train, random_state=seed,
                                         shuffle=shuffle, stratify=classes)
            b = (b[0].tolist(), b[1].tolist(), "")
        except ValueError as e:
            b = (None, "", str(e))
        a = ours(plan.holdout, n, seed, test, train, classes, shuffle)
        a = a if a[0] is None else (a[0].tolist(), a[1].tolist(), "")
        if "too few members" in b[2] and b[2].count(",") > 10:
            assert a[2].endswith(", ...]") and b[2].startswith(a[2][:-6]), case
            continue
        assert a == b, (case, n, test, train, seed, shuffle)
        errors += bool(a[2])
    assert 500 < errors < 2300, errors


def test_a_large_stratified_hold_out_equals_train_test_split(plan):
    classes = (numpy.random.default_rng(8).random(200_000) ** 3 * 100).astype(int)
    train, test = plan.holdout(len(classes), 42, 0.2, classes=classes)
    b = sklearn.train_test_split(numpy.arange(len(classes)), test_size=0.2, random_state=42, stratify=classes)
    assert numpy.array_equal(train, b[0]) and numpy.array_equal(test, b[1])


def test_hold_outs_by_several_labels_equal_train_test_split(plan):
    rng = numpy.random.default_rng(13)
    for case in range(200):
        values = random_labels(rng, int(rng.integers(60, 400)), int(rng.integers(1, 4)))
        try:
            b = sklearn.train_test_split(numpy.arange(len(values)), test_size=0.3, random_state=case, stratify=values)
        except ValueError:
            continue
        a = plan.holdout(len(values), case, 0.3, classes=plan.ranks(values))
        assert a[0].tolist() == b[0].tolist() and a[1].tolist() == b[1].tolist(), case


def test_label_ranks_equal_numpys_unique(plan):
    rng = numpy.random.default_rng(14)
    for _ in range(200):
        values = rng.choice(numpy.array([0, 1, -1, -0.5, 2.5, 1e30, -1e-40, numpy.nan, numpy.inf], numpy.float32),
                            size=(int(rng.integers(1, 300)), 1))
        assert plan.ranks(values).tolist() == numpy.unique(values[:, 0], return_inverse=True)[1].tolist()
        values = rng.integers(-2, 3, size=(int(rng.integers(1, 300)), int(rng.integers(1, 5)))).astype(numpy.float32)
        values[rng.random(values.shape) < 0.1] = -0.0
        expected = numpy.unique(values.astype(int), axis=0, return_inverse=True)[1]
        assert plan.ranks(values).tolist() == expected.reshape(-1).tolist()


# Folds of others, weights

def test_predefined_folds_equal_scikit_learns_predefined_split(plan):
    rng = numpy.random.default_rng(9)
    for _ in range(100):
        nfolds = int(rng.integers(2, 8))
        numbers = numpy.concatenate([numpy.arange(nfolds), rng.integers(-1, nfolds, size=30)])
        rng.shuffle(numbers)
        b = theirs(lambda: sklearn.PredefinedSplit(numbers), len(numbers))
        folds = plan.predefined(numbers)
        assert numpy.where(folds == 65535, -1, folds).tolist() == b[0].tolist() == numbers.tolist()


def numpy_weight(pos, neg, scheme, beta=0.0, normalize=False):
    pos, neg = numpy.float64(pos), numpy.float64(neg)
    if pos == 0:
        return numpy.float64(1)
    with numpy.errstate(divide="ignore"):
        weight = {"ratio": lambda: neg / pos, "sqrt": lambda: numpy.sqrt(neg / pos),
                  "log": lambda: numpy.log1p(neg / pos),
                  "effective": lambda: (1 - beta) / (1 - beta**pos)}[scheme]()
        return weight / ((1 - beta) / (1 - beta**neg)) if normalize else weight


def test_weights_equal_numpys_to_the_last_float32_bit(plan):
    rng = numpy.random.default_rng(10)
    pairs = (10 ** rng.uniform(0, 9, size=(20_000, 2))).astype(numpy.int64)
    pairs[:100] = rng.integers(0, 3, size=(100, 2))
    for scheme in ["ratio", "sqrt", "log"]:
        expected = numpy.array([numpy_weight(*p, scheme) for p in pairs]).astype(numpy.float32)
        assert plan.weights_of(pairs, scheme).tobytes() == expected.tobytes(), scheme
    for beta in [0.9999, 0.9, 0.999999, 0.5, 0.0, 1 - 2**-40]:
        for normalize in [False, True]:
            expected = numpy.array([numpy_weight(*p, "effective", beta, normalize) for p in pairs[:4000]])
            got = plan.weights_of(pairs[:4000], "effective", beta, normalize)
            assert got.tobytes() == expected.astype(numpy.float32).tobytes(), (beta, normalize)


def test_weights_of_labels_are_counted_capped_and_pooled(plan):
    rng = numpy.random.default_rng(11)
    for _ in range(200):
        values = random_labels(rng, int(rng.integers(1, 300)), int(rng.integers(1, 6)))
        for cap in [0.0, 10.0, 0.3]:
            for pooled in [False, True]:
                table = values.reshape(-1, 1) if pooled else values
                pos = table.sum(axis=0).astype(numpy.float64)
                expected = numpy.array([numpy_weight(p, len(table) - p, "ratio") for p in pos])
                expected = numpy.minimum(expected, cap or numpy.inf).astype(numpy.float32)
                got = plan.weights(values, "ratio", cap=cap, pooled=pooled)
                assert got.tobytes() == expected.tobytes()
    assert "row 1 has 0.5 in label column 1" in refused(plan.weights, [[0, 1], [0, 0.5]], "ratio")


def test_balanced_weights_equal_scikit_learns(plan):
    weight = pytest.importorskip("sklearn.utils.class_weight")
    rng = numpy.random.default_rng(12)
    for _ in range(500):
        classes = (rng.random(int(rng.integers(1, 3000))) ** 3 * rng.integers(1, 40)).astype(int)
        present = numpy.unique(classes)
        expected = weight.compute_class_weight("balanced", classes=present, y=classes).astype(numpy.float32)
        got = plan.balanced(numpy.bincount(classes))
        assert got[present].tobytes() == expected.tobytes()
        assert (numpy.delete(got, present) == 1).all()
