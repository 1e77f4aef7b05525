# SPDX-License-Identifier: Apache-2.0
"""Stratified folds of groups beside the plainest program for the same rule, and the promises that they make."""
import collections
import random

import numpy
import pytest

import planmore


@pytest.fixture(scope="module")
def plan():
    p = planmore.PlanMore()
    yield p
    p.close()


def shuffled_places(ngroups, seed):
    order = numpy.arange(ngroups)
    if seed is not None:
        numpy.random.RandomState(seed).shuffle(order)
    return {int(group): place for place, group in enumerate(order)}


class Plainly:
    """The rule as daemon/plan/deal_groups.c states it; every count is made anew when it is needed."""

    def __init__(self, groups, labels_of_row, labels, k, seed):
        self.k = k
        self.size = collections.Counter(groups)
        self.cells = collections.defaultdict(collections.Counter)
        for group, row in zip(groups, labels_of_row):
            self.cells[group].update(row)
        self.place = shuffled_places(max(groups) + 1, seed)
        self.fold = {}
        self.earlier, self.largest = {}, {}
        for _ in labels:
            label = min((one for one in labels if one not in self.earlier), key=self.left)  # the first of equal ones
            self.earlier[label] = sum(self.cells[g][label] for g in self.fold)
            turn = [g for g in self.size if g not in self.fold and self.cells[g][label]]
            turn.sort(key=lambda g: (-self.cells[g][label], -self.size[g], self.place[g]))
            self.largest[label] = self.cells[turn[0]][label] if turn else 0
            for group in turn:
                self.fold[group] = min(range(k), key=lambda f: (self.rows(f, label), self.rows(f), f))
        for group in sorted(set(self.size) - set(self.fold), key=lambda g: (-self.size[g], self.place[g])):
            self.fold[group] = min(range(k), key=lambda f: (self.rows(f), f))

    def left(self, label):
        return sum(cell[label] for group, cell in self.cells.items() if group not in self.fold)

    def rows(self, fold, label=None):
        return sum(self.size[g] if label is None else self.cells[g][label] for g, f in self.fold.items() if f == fold)

    def gap(self, label=None):
        rows = [self.rows(fold, label) for fold in range(self.k)]
        return max(rows) - min(rows)

    def figures(self, classes):
        together = sum(size for size in self.size.values() if size > 1)
        return {"groups": len(self.size), "largest": max(self.size.values()), "together": together,
                "size_gap": self.gap(), "label_gap": max(map(self.gap, self.earlier), default=0), "bounded": classes}


def random_groups(rng, n):
    """Like duplicates: most rows alone, some groups of a few, now and then one of many."""
    style = rng.choice(["alone", "few", "pairs", "one", "many"])
    if style == "alone":
        groups = list(range(n))
    elif style == "few":
        groups = [rng.randrange(1 + n // 8) for _ in range(n)]
    elif style == "pairs":
        groups = [i // 2 for i in range(n)]
    elif style == "one":
        big = rng.randrange(n)
        groups = [0 if i < big else i for i in range(n)]
    else:
        groups = [min(int(rng.paretovariate(0.7)), n) for _ in range(n)]
    rng.shuffle(groups)
    return groups


def random_classes(rng, groups):
    """A class for each row; half the time one for all rows of a group."""
    nclasses = rng.choice([1, 2, 2, 3, 7, 30])
    of_group = collections.defaultdict(lambda: min(int(rng.expovariate(1)), nclasses - 1))
    if rng.random() < 0.5:
        return [of_group[g] for g in groups]
    return [of_group[i] for i in range(len(groups))]


def check_together(groups, folds, k):
    fold_of = {}
    for group, fold in zip(groups, folds):
        assert fold_of.setdefault(group, fold) == fold
    assert set(map(int, folds)) == set(range(k))


def refused(plan, *args, **kwargs):
    with pytest.raises(planmore.Refused) as caught:
        plan.deal_groups(*args, **kwargs)
    return str(caught.value)


def check_classes(plan, groups, classes, k, seed):
    """Returns the class's gap and its bound."""
    folds, figures, _ = plan.deal_groups(groups, k, seed, classes=[c * 7 % 31 for c in classes])
    plainly = Plainly(groups, [[c] for c in classes], list(dict.fromkeys(classes)), k, seed)
    assert [plainly.fold[g] for g in groups] == list(folds)
    check_together(groups, folds, k)
    bounds = {key: figures.pop(key) for key in ("size_bound", "label_bound")}
    assert figures == plainly.figures(True)
    assert figures["label_gap"] <= bounds["label_bound"] and figures["size_gap"] <= bounds["size_bound"]
    simple = [max(plainly.earlier[c], plainly.largest[c]) for c in plainly.earlier]
    assert bounds["label_bound"] <= max(simple) and bounds["size_bound"] <= sum(simple)
    return figures["label_gap"], bounds["label_bound"]


def test_groups_of_classes_are_dealt_as_the_rule_says_within_the_bounds(plan):
    rng = random.Random(20)
    nrefused = ntight = 0
    for _ in range(2500):
        groups = random_groups(rng, rng.randrange(2, 60))
        classes = random_classes(rng, groups)
        k, seed = rng.randrange(2, 8), rng.choice([None, 0, 42, rng.randrange(2**32)])
        if k > min(len(set(groups)), max(collections.Counter(classes).values())):
            assert "n_splits" in refused(plan, groups, k, seed, classes=classes)
            nrefused += 1
        else:
            gap, bound = check_classes(plan, groups, classes, k, seed)
            ntight += gap == bound
    assert 20 < nrefused < 1250 and ntight > 500


def test_the_bounds_hold_where_every_choice_goes_wrong(plan):
    # more than a third of the later class lies in one group of the earlier one
    for k in range(2, 6):
        groups = [0] * 40 + [1] * 3 + list(range(2, 2 + 60))
        classes = [0] * 3 + [1] * 37 + [0] * 3 + [1] * 60
        check_classes(plan, groups, classes, k, None)
        # two folds even out what doubles; with more there is nothing to put beside the largest
        groups = [i for i in range(8) for _ in range(2**i)]
        gap, bound = check_classes(plan, groups, [0] * len(groups), k, None)
        assert (gap, bound) == (1, 1) if k == 2 else gap > 60 and bound == 128


def test_single_rows_at_the_end_make_up_for_large_groups(plan):
    groups = [0] * 20 + list(range(1, 200))
    gap, bound = check_classes(plan, groups, [0] * len(groups), 5, 42)
    assert (gap, bound) == (1, 1)


def test_without_duplicates_classes_and_folds_differ_by_at_most_one(plan):
    rng = random.Random(22)
    for _ in range(200):
        n, k, seed = rng.randrange(20, 300), rng.randrange(2, 11), rng.randrange(2**32)
        classes = [rng.randrange(4) for _ in range(n)]
        folds, figures, warning = plan.deal_groups(list(range(n)), k, seed, classes=classes)
        table = numpy.zeros((k, 4), int)
        numpy.add.at(table, (folds, classes), 1)
        assert (numpy.ptp(table, axis=0) <= 1).all() and numpy.ptp(table.sum(axis=1)) <= 1
        assert figures == {"groups": n, "largest": 1, "together": 0, "size_gap": numpy.ptp(table.sum(axis=1)),
                           "label_gap": numpy.ptp(table, axis=0).max(), "bounded": 1, "size_bound": 1,
                           "label_bound": 1}
        rarest = min(collections.Counter(classes).values())
        assert warning == "" if rarest >= k else f"has only {rarest} members" in warning


def test_groups_of_several_labels_are_dealt_as_the_rule_says(plan):
    rng = random.Random(21)
    for case in range(800):
        n, nlabels = rng.randrange(8, 50), rng.randrange(1, 6)
        groups = random_groups(rng, n)
        values = numpy.array([[rng.random() < 0.1 + 0.1 * label for label in range(nlabels)] for _ in range(n)], "f4")
        k, seed = rng.randrange(2, 6), rng.choice([None, 1, rng.randrange(2**32)])
        if k > len(set(groups)):
            assert "number of groups" in refused(plan, groups, k, seed, values=values)
            continue
        folds, figures, warning = plan.deal_groups(groups, k, seed, values=values)
        plainly = Plainly(groups, [numpy.flatnonzero(row).tolist() for row in values], list(range(nlabels)), k, seed)
        assert [plainly.fold[g] for g in groups] == list(folds), case
        check_together(groups, folds, k)
        assert figures == plainly.figures(False) | {"size_bound": 0, "label_bound": 0} and warning == "", case


def test_what_cannot_be_dealt_is_refused_with_scikit_learns_sentences(plan):
    assert refused(plan, [0] * 10, 2, 42, classes=[0] * 10) == (
        "Cannot have number of splits n_splits=2 greater than the number of groups: 1.")
    assert refused(plan, [0, 0, 1, 1], 3, 42, classes=[0] * 4) == (
        "Cannot have number of splits n_splits=3 greater than the number of groups: 2.")
    assert refused(plan, [0, 1, 2, 3], 3, 42, classes=[0, 1, 0, 1]) == (
        "n_splits=3 cannot be greater than the number of members in each class.")
    assert refused(plan, [0, 1], 3, 42, classes=[0, 1]).endswith("greater than the number of samples: n_samples=2.")
    assert refused(plan, [0, 1], 1, 42, classes=[0, 1]).endswith("got n_splits=1.")
    assert refused(plan, [0, 1], 2, 42, values=numpy.array([[0, numpy.nan], [1, 0]], "f4")) == "Input contains NaN."
    assert refused(plan, [0, 1], 2, 42, values=numpy.array([[0, numpy.inf], [1, 0]], "f4")).startswith(
        "Input contains infinity")


def test_as_many_folds_as_groups_get_one_each(plan):
    groups = [0] * 5 + [1] * 9 + [2] + [3] * 4
    folds, figures, _ = plan.deal_groups(groups, 4, 42, classes=[i % 2 for i in range(19)])
    check_together(groups, folds, 4)
    assert figures["size_gap"] == 8


def test_a_million_rows_with_many_classes_and_folds_take_seconds(plan):
    rng = numpy.random.RandomState(1)
    groups = rng.randint(0, 700_000, 1_000_000)
    classes = (rng.pareto(1, 1_000_000) * 3).astype("u4") % 5000
    for k in (5, 1000):
        folds, figures, _ = plan.deal_groups(groups, k, 42, classes=classes)
        assert figures["size_gap"] <= figures["size_bound"] and len(set(folds.tolist())) == k
