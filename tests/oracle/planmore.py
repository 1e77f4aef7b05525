# SPDX-License-Identifier: Apache-2.0
"""The plan layer's further splits and weights, called from Python through tests/oracle/plan_more_dump.c."""
import subprocess

import numpy

import plandump
from plandump import Refused  # noqa: F401  (callers catch it)

FIGURES = ("groups", "largest", "together", "size_gap", "label_gap", "bounded", "size_bound", "label_bound")
SCHEMES = {"ratio": 0, "sqrt": 1, "log": 2, "effective": 3}


def doubles(*values):
    return numpy.array(values, "<f8").view("<u4")


def words(values):
    return numpy.asarray(values).astype("<u4").reshape(-1)


class PlanMore(plandump.Plan):
    def __init__(self):
        self.process = subprocess.Popen([plandump.build_file("plan_more_dump")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def multilabel(self, values, k, seed, shuffle=True):
        values = numpy.ascontiguousarray(values, numpy.float32)
        return self.call("l", values.shape[0], k, shuffle, seed, values.shape[1], payload=values.reshape(-1))[0]

    def groups(self, groups, k, seed, classes=None, older=False):
        """Returns (fold of each row, warning); seed None: no shuffle."""
        payload = words(groups) if classes is None else numpy.concatenate([words(groups), words(classes)])
        return self.call("g", len(groups), k, seed is not None, seed or 0, older, classes is not None, payload=payload)

    def deal_groups(self, groups, k, seed, classes=None, values=None):
        """Returns (fold of each row, figures, warning); seed None: no shuffle."""
        labels = words(classes) if values is None else numpy.ascontiguousarray(values, "<f4").reshape(-1).view("<u4")
        nlabels = 0 if values is None else values.shape[1]
        ngroups = max(groups, default=-1) + 1
        result, warning = self.call("d", len(groups), k, seed is not None, seed or 0, ngroups, nlabels,
                                    payload=numpy.concatenate([words(groups), labels]))
        return result[:len(groups)], dict(zip(FIGURES, map(int, result[len(groups):]))), warning

    def holdout(self, n, seed, test=None, train=None, classes=None, shuffle=True):
        """Returns (train, test)."""
        sizes = [doubles(size) if isinstance(size, float) else numpy.array([size or 0], "<i8").view("<u4")
                 for size in (test, train)]
        units = [0 if size is None else 1 if isinstance(size, float) else 2 for size in (test, train)]
        payload = numpy.concatenate(sizes + [words([] if classes is None else classes)])
        result, _ = self.call("h", n, shuffle, seed, classes is not None, *units, payload=payload)
        return result[1:1 + result[0]], result[1 + result[0]:]

    def predefined(self, numbers):
        return self.call("p", len(numbers), payload=numpy.array(numbers, "<i8").view("<u4"))[0]

    def weights(self, values, scheme, beta=0.0, cap=0.0, normalize=False, pooled=False):
        values = numpy.ascontiguousarray(values, numpy.float32)
        payload = numpy.concatenate([doubles(beta, cap), values.reshape(-1).view("<u4")])
        result, _ = self.call("w", *values.shape, SCHEMES[scheme], normalize, pooled, payload=payload)
        return result.astype("<u4").view("<f4")

    def weights_of(self, pairs, scheme, beta=0.0, normalize=False):
        payload = numpy.concatenate([doubles(beta), words(pairs)])
        return self.call("o", SCHEMES[scheme], normalize, payload=payload)[0].astype("<u4").view("<f4")

    def balanced(self, counts):
        return self.call("b", payload=words(counts))[0].astype("<u4").view("<f4")

    def ranks(self, values):
        values = numpy.ascontiguousarray(values, numpy.float32)
        return self.call("r", *values.shape, payload=values.reshape(-1))[0]

    def argsort(self, keys, stable):
        return self.call("s", stable, payload=words(keys))[0]
