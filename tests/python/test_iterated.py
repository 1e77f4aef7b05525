# SPDX-License-Identifier: Apache-2.0
"""What other people's loops do with a loader, beside taking its batches."""

import pytest

from conftest import hsfeed  # noqa: F401  (the package of the build)

pytest.importorskip("torch")


def quiet(ds, **options):
    return ds.loader("train", 0, quiet=True, rank=0, world_size=1, **options)


def test_an_iterator_that_gave_no_batch_was_no_pass(demo_set):
    """Who only looks whether a loader can be iterated, as Lightning does, skips no epoch and loses no place."""
    loader, other = quiet(demo_set, batch_size=8), quiet(demo_set, batch_size=8)
    for _ in range(3):
        iter(loader)
    assert loader.state_dict()["epoch"] == 0 and {batch.epoch for batch in loader} == {0}
    passed = iter(loader)
    batches = [next(passed).number for _ in range(4)]
    other.load_state_dict(loader.state_dict())
    iter(other), iter(other)
    assert (other.epoch, [batch.number for batch in other][0]) == (1, batches[-1] + 1)
    iter(other)
    other.set_epoch(9)
    assert {batch.epoch for batch in other} == {9} and next(iter(other)).epoch == 10


def test_what_would_deal_a_loader_again_is_told_why_not(demo_set):
    loader = quiet(demo_set)
    for name in ("sampler", "batch_sampler"):
        assert not hasattr(loader, name)
        with pytest.raises(AttributeError, match=f"no {name}: it deals rows to ranks itself"):
            getattr(loader, name)
    with pytest.raises(AttributeError, match="'Loader' object has no attribute 'collate_fn'"):
        loader.collate_fn
