# SPDX-License-Identifier: Apache-2.0
"""numpy's generator and scikit-learn's KFold and StratifiedKFold beside ours."""
import random
import warnings

import numpy
import pytest

import plandump

sklearn = pytest.importorskip("sklearn.model_selection")


@pytest.fixture(scope="module")
def plan():
    p = plandump.Plan()
    yield p
    p.close()


def random_doubles(words):
    return [((a >> 5) * 67108864 + (b >> 6)) / 9007199254740992 for a, b in zip(words[::2], words[1::2])]


def test_golden_numpy_generator(plan):
    for case in plandump.shared("golden/numpy_rng.json")["cases"]:
        seed = case["seed"]
        words = plan.draws(seed, [("word", 0)] * 12)
        assert words[:8] == case["u32"]
        assert [float.hex(v) for v in random_doubles(words)] == case["random_sample"]
        for golden in case["permutation"]:
            plandump.agrees(plan.draws(seed, [("shuffle32", golden["n"])]), golden)
            if golden["n"] <= 65536:
                plandump.agrees(plan.draws(seed, [("shuffle16", golden["n"])]), golden)
        below = [("below", n - 1) for n, _ in case["choice_sequence"]]
        assert plan.draws(seed, below) == [v for _, v in case["choice_sequence"]]
        assert plan.draws(seed, [("below", 4)] * 40) == case["randint_0_5_x40"]
        mixed = plan.draws(seed, [("shuffle32", 20), ("word", 0), ("word", 0), ("shuffle16", 33), ("below", 6)])
        assert mixed[:20] == case["mixed"]["shuffle20"]
        assert float.hex(random_doubles(mixed[20:22])[0]) == case["mixed"]["then_random"]
        assert mixed[22:55] == case["mixed"]["then_shuffle33"]


def test_random_draws_equal_numpy(plan):
    rng = random.Random(1)
    for _ in range(300):
        seed, steps, theirs = rng.choice([rng.randrange(2**32), rng.randrange(9), 2**32 - 1]), [], []
        state = numpy.random.RandomState(seed)
        for _ in range(rng.randrange(1, 8)):
            kind = rng.choice(["below", "shuffle32", "shuffle16", "word"])
            arg = rng.choice([0, 1, 2, 3, 255, 256, 1000, rng.randrange(3000)])
            if kind == "below":
                arg = rng.choice([arg, rng.randrange(2**32), 2**32 - 1, 2**31])
                theirs.append(int(state.randint(0, arg + 1, dtype=numpy.int64)))
            elif kind == "word":
                theirs.append(int(state.randint(0, 2**32, dtype=numpy.uint32)))
            else:
                items = numpy.arange(arg, dtype=numpy.int64 if kind == "shuffle32" else numpy.uint16)
                state.shuffle(items)
                theirs += items.tolist()
            steps.append((kind, arg))
        assert plan.draws(seed, steps) == theirs, (seed, steps)


def by_first_appearance(values):
    numbers = {}
    return [numbers.setdefault(v, len(numbers)) for v in values]


def test_golden_folds(plan):
    cases = plandump.shared("golden/kfold_stratified.json")["cases"]
    for case in cases:
        classes = case.get("labels", case.get("labels_text"))
        if case["splitter"] == "StratifiedKFold":
            n, classes = len(classes), by_first_appearance(classes)
        else:
            n, classes = case["n"], None
        seed = case["seed"] if case["shuffle"] else None
        if "error" in case:
            with pytest.raises(plandump.Refused) as refused:
                plan.folds(n, case["k"], seed, classes)
            assert "ValueError: " + str(refused.value) == case["error"]
            continue
        folds, warning = plan.folds(n, case["k"], seed, classes)
        plandump.agrees(folds, case["fold_of_sample"])
        assert ("UserWarning: " + warning if warning else "").endswith(case.get("warning", ""))
        assert bool(warning) == bool(case.get("warning"))
    assert len(cases) == 158


def theirs(splitter_class, n, k, seed, classes):
    """(folds, warning, error) of scikit-learn."""
    folds = numpy.full(n, -1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            splitter = splitter_class(k, shuffle=seed is not None, random_state=seed)
            for fold, (_, val) in enumerate(splitter.split(numpy.zeros(n), classes)):
                folds[val] = fold
        except ValueError as e:
            return None, "", str(e)
    return folds, "".join(str(w.message) for w in caught), ""


def ours(plan, n, k, seed, classes):
    try:
        folds, warning = plan.folds(n, k, seed, classes)
    except plandump.Refused as e:
        return None, "", str(e)
    return folds, warning, ""


def same(plan, splitter_class, n, k, seed, classes):
    a, b = ours(plan, n, k, seed, classes), theirs(splitter_class, n, k, seed, classes)
    assert a[1:] == b[1:], (n, k, seed)
    assert (a[0] is None) == (b[0] is None) and (a[0] is None or numpy.array_equal(a[0], b[0])), (n, k, seed)
    return bool(a[1]), bool(a[2])


def random_seed(rng):
    return rng.choice([None, 0, 42, 2**32 - 1, rng.randrange(2**32)])


def random_classes(rng, n):
    """Balanced, imbalanced, rare, alternating, many classes; numbered by anything."""
    nclasses = rng.choice([1, 2, 2, 3, 5, 17, max(1, n // 4), max(1, n)])
    names = [rng.randrange(2**32) for _ in range(nclasses)]
    shape = rng.randrange(4)
    if shape == 0:
        return [names[i % nclasses] for i in range(n)]
    if shape == 1:
        return sorted(rng.choice(names) for _ in range(n))
    power = 1 if shape == 2 else 4
    return [names[int(nclasses * rng.random() ** power)] for _ in range(n)]


def test_random_plain_folds_equal_scikit_learn(plan):
    rng = random.Random(2)
    errors = 0
    for _ in range(1000):
        n = rng.choice([0, 1, 3, 10, rng.randrange(2000), rng.randrange(2000), rng.randrange(60), rng.randrange(300)])
        k = rng.choice([0, 1, 2, 3, 5, 5, 10, max(0, n - 1), n, n + 1])
        errors += same(plan, sklearn.KFold, n, k, random_seed(rng), None)[1]
    assert 100 < errors < 600


def test_random_stratified_folds_equal_scikit_learn(plan):
    rng = random.Random(3)
    warned = errors = 0
    for _ in range(2000):
        n = rng.choice([0, 1, 2, 3, 5, 10, rng.randrange(2000), rng.randrange(60), rng.randrange(300)])
        k = rng.choice([0, 1, 2, 3, 4, 5, 5, 7, 10, max(2, n // 3), n, n + 1])
        classes = numpy.array(random_classes(rng, n), dtype=numpy.int64)
        w, e = same(plan, sklearn.StratifiedKFold, n, k, random_seed(rng), classes)
        warned, errors = warned + w, errors + e
    assert warned > 150 and errors > 150, (warned, errors)


def test_folds_of_label_combinations_equal_scikit_learn_on_strings_of_them(plan):
    rng = numpy.random.default_rng(4)
    for _ in range(200):
        n, nlabels = int(rng.integers(20, 500)), int(rng.integers(1, 7))
        values = rng.choice([0.0, -0.0, 1.0, 2.5, -1.0], p=[0.4, 0.2, 0.2, 0.1, 0.1], size=(n, nlabels))
        nclasses, classes = plan.combinations(values)
        texts = numpy.array([",".join(str(v + 0.0) for v in row) for row in values])
        assert classes.tolist() == by_first_appearance(texts.tolist())
        assert nclasses == len(set(texts.tolist()))
        same(plan, sklearn.StratifiedKFold, n, 5, 42, classes)
        a, b = ours(plan, n, 5, 42, classes), theirs(sklearn.StratifiedKFold, n, 5, 42, texts)
        assert a[1:] == b[1:] and (a[0] is None or numpy.array_equal(a[0], b[0]))


def test_a_large_imbalanced_set_equals_scikit_learn(plan):
    rng = numpy.random.default_rng(5)
    classes = (rng.random(300_000) ** 3 * 200).astype(numpy.int64)
    for k, seed in [(5, 42), (10, None), (997, 7)]:
        same(plan, sklearn.StratifiedKFold, len(classes), k, seed, classes)
    same(plan, sklearn.KFold, 300_000, 7, 2**32 - 1, None)
