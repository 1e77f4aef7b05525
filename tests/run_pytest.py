#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one pytest file for ctest: 0 passed, 77 when every test was skipped (the reasons are printed), else failed.

pytest itself exits 5 both for a file without tests and for one that skips as a whole; only the second is right.
"""
import sys

import pytest

SKIPPED = 77


class Count:
    def __init__(self):
        self.ran = self.skipped = 0

    def pytest_runtest_logreport(self, report):
        self.ran += report.when == "call" and not report.skipped
        self.skipped += report.skipped

    def pytest_collectreport(self, report):
        self.skipped += report.skipped


def main(files):
    count = Count()
    status = pytest.main(["-p", "no:cacheprovider", "-q", "-rs", "--color=no", *files], plugins=[count])
    harmless = status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if harmless and count.skipped and not count.ran:
        return SKIPPED
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
