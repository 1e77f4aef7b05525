# SPDX-License-Identifier: Apache-2.0
"""transformers' length grouping and accelerate's BatchSamplerShard beside ours. Heavy: needs both, and torch."""
import random

import pytest

import plandump

torch = pytest.importorskip("torch")
trainer_pt_utils = pytest.importorskip("transformers.trainer_pt_utils")
data_loader = pytest.importorskip("accelerate.data_loader")
from torch.utils.data import BatchSampler, SequentialSampler  # noqa: E402

SEEDS = [0, 42, 2**32, 2**32 + 5, 2**63 - 1]


@pytest.fixture(scope="module")
def plan():
    p = plandump.Plan()
    yield p
    p.close()


def random_lengths(rng, n):
    most = rng.choice([1, 2, 5, 30, 128, 512])
    return [rng.randrange(2, 2 + most) for _ in range(n)]


def test_random_lengths_equal_length_grouped_sampler(plan):
    rng = random.Random(4)
    for _ in range(3000):
        n = rng.choice([1, 2, 3, 7, 8, 9, rng.randrange(1, 100), rng.randrange(1, 1500)])
        batch = rng.choice([1, 2, 3, 4, 8, 32, rng.randrange(1, 100)])
        lengths, seed = random_lengths(rng, n), rng.choice([*SEEDS, rng.randrange(2**63)])
        sampler = trainer_pt_utils.LengthGroupedSampler(batch, lengths=lengths,
                                                        generator=torch.Generator().manual_seed(seed))
        assert plan.length_order(lengths, batch, seed).tolist() == list(sampler), (n, batch, seed)


def test_many_chunks_equal_length_grouped_sampler(plan):
    """More rows than are sorted together, and more first rows than torch's argmax looks at by itself."""
    rng = random.Random(5)
    for n, batch in [(200_000, 1), (200_000, 32), (150_001, 1000), (131_072, 1311)]:
        lengths = random_lengths(rng, n)
        sampler = trainer_pt_utils.LengthGroupedSampler(batch, lengths=lengths,
                                                        generator=torch.Generator().manual_seed(7))
        assert plan.length_order(lengths, batch, 7).tolist() == list(sampler), (n, batch)


def test_random_shares_equal_distributed_length_grouped_sampler(plan):
    rng = random.Random(6)
    for _ in range(1000):
        n, world, batch = rng.randrange(1, 200), rng.randrange(1, 9), rng.randrange(1, 20)
        seed, epoch, drop = rng.randrange(2**31), rng.randrange(9), rng.random() < 0.5
        lengths, rank = random_lengths(rng, n), rng.randrange(world)
        sampler = trainer_pt_utils.DistributedLengthGroupedSampler(
            batch, num_replicas=world, rank=rank, seed=seed, drop_last=drop, lengths=lengths)
        sampler.set_epoch(epoch)
        if sampler.total_size > 2 * n:
            continue  # it pads once round only, and then fails
        order = plan.length_order(lengths, batch, seed + epoch).tolist()
        ours = [order[i] for i in plan.deal(n, 0, rank, world, "drop" if drop else "pad")[4]]
        assert ours == list(sampler), (n, world, rank, batch, drop)


def shards(n, batch, world, even, drop_last):
    for rank in range(world):
        sampler = BatchSampler(SequentialSampler(range(n)), batch, drop_last)
        yield list(data_loader.BatchSamplerShard(sampler, world, rank, even_batches=even))


def test_random_rounds_equal_batch_sampler_shard(plan):
    rng = random.Random(7)
    for _ in range(1500):
        n = rng.choice([0, 1, 2, 3, rng.randrange(30), rng.randrange(300)])
        batch, world = rng.choice([1, 2, 3, 4, 8, 32]), rng.choice([1, 2, 3, 4, 5, 8, 16])
        even, drop = rng.random() < 0.5, rng.random() < 0.4
        for rank, theirs in enumerate(shards(n, batch, world, even, drop)):
            ours = plan.deal_batches(n, 0, rank, world, "even" if even else "batches", batch, drop)
            assert ours == theirs, (n, batch, world, rank, even, drop)


def test_a_rest_is_dealt_as_an_epoch_of_its_own_but_completed_from_the_whole_ones_head(plan):
    """From a round's end on it is the tail of the whole; from anywhere else the rest is dealt afresh."""
    rng = random.Random(8)
    for _ in range(600):
        n, batch, world = rng.randrange(1, 120), rng.choice([1, 2, 3, 8]), rng.randrange(1, 7)
        even, drop, at = rng.random() < 0.5, rng.random() < 0.4, rng.randrange(n + 1)
        shard = "even" if even else "batches"
        for rank, rest in enumerate(shards(n - at, batch, world, even, drop)):
            ours = plan.deal_batches(n, at, rank, world, shard, batch, drop)
            assert [len(b) for b in ours] == [len(b) for b in rest]
            places = [k * world * batch + rank * batch + i for k, b in enumerate(ours) for i in range(len(b))]
            assert sum(ours, []) == [(at + p) % n if at + p >= n else at + p for p in places]
            whole = plan.deal_batches(n, 0, rank, world, shard, batch, drop)
            if at % (batch * world) == 0:
                assert ours == whole[at // (batch * world):]
