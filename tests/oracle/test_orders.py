# SPDX-License-Identifier: Apache-2.0
"""torch.randperm and DistributedSampler beside ours. Heavy: needs torch."""
import random

import pytest

import plandump

torch = pytest.importorskip("torch")
from torch.utils.data import BatchSampler, DistributedSampler, SequentialSampler  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def plan():
    p = plandump.Plan()
    yield p
    p.close()


def epoch_order(plan, n, seed, shuffle):
    return plan.randperm(n, seed).tolist() if shuffle else list(range(n))


def rank_rows(plan, order, rank, world, shard, at=0):
    return [order[i] for i in plan.deal(len(order), at, rank, world, shard)[4]]


def permutation_from(words, n):
    items = list(range(n))
    for i in range(n - 1):
        j = i + words.pop(0) % (n - i)
        items[i], items[j] = items[j], items[i]
    return items


def test_golden_generator(plan):
    cases = plandump.shared("golden/torch_samplers.json")["generator"]
    for case in cases:
        for golden in case["randperm"]:
            plandump.agrees(plan.randperm(golden["n"], case["seed"]), golden)
        words = plan.draws(case["seed"], [("word", 0)] * 5000)
        for golden in case["sequence"]:
            if isinstance(golden, dict):
                plandump.agrees(permutation_from(words, golden["n"]), golden)
            elif isinstance(golden, list):  # randint(7): a plain remainder
                assert [words.pop(0) % 7 for _ in golden] == golden
            else:
                assert (words.pop(0) << 32 | words.pop(0)) & (2**63 - 1) == golden
    assert len(cases) == 12


def test_golden_distributed_sampler(plan):
    cases = plandump.shared("golden/torch_samplers.json")["distributed"]
    for case in cases:
        order = epoch_order(plan, case["n"], case["seed"] + case["epoch"], case["shuffle"])
        shard = "drop" if case["drop_last"] else "pad"
        for rank, golden in enumerate(case["ranks"]):
            plandump.agrees(rank_rows(plan, order, rank, case["num_replicas"], shard), golden)
    assert len(cases) == 16


def test_golden_seedable_sampler(plan):
    """accelerate's default for the Trainer: epoch e is randperm of seed + e."""
    cases = plandump.shared("golden/torch_samplers.json")["accelerate_seedable"]
    for case in cases:
        for epoch, golden in enumerate(case["epochs"]):
            plandump.agrees(plan.randperm(case["n"], case["seed"] + epoch), golden)
    assert len(cases) == 5


def test_golden_length_grouping(plan):
    cases = plandump.shared("golden/torch_samplers.json")["length_grouped"]
    for case in cases:
        plandump.agrees(plan.length_order(case["lengths"], case["batch_size"], case["seed"]), case["order"])
    assert len(cases) == 10


def test_golden_whole_batches(plan):
    cases = plandump.shared("golden/torch_samplers.json")["accelerate_batch_shard"]
    for case in cases:
        shard = "even" if case["even_batches"] else "batches"
        for rank, golden in enumerate(case["batches"]):
            assert golden == plan.deal_batches(case["n"], 0, rank, case["processes"], shard, case["batch_size"],
                                               case["drop_last"])
    assert len(cases) == 14


def test_random_permutations_equal_torch(plan):
    rng = random.Random(1)
    for _ in range(1500):
        n = rng.choice([0, 1, 2, 3, 31, 32, 33, 34, 64, 65, 66, rng.randrange(200), rng.randrange(5000)])
        seed = rng.choice([0, 42, -1, -(2**63), 2**63 - 1, 2**32, rng.randrange(2**32), rng.randrange(2**63)])
        theirs = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
        assert plan.randperm(n, seed).tolist() == theirs, (n, seed)


def test_a_million_rows_equal_torch(plan):
    theirs = torch.randperm(1_000_003, generator=torch.Generator().manual_seed(43)).numpy()
    assert (plan.randperm(1_000_003, 43) == theirs).all()


def test_random_shares_equal_distributed_sampler(plan):
    rng = random.Random(2)
    for _ in range(800):
        n = rng.choice([1, 2, 3, 7, 8, 9, rng.randrange(1, 60), rng.randrange(1, 700)])
        world = rng.choice([1, 2, 3, 4, 8, 16, rng.randrange(1, 40)])
        seed, epoch, shuffle, drop = rng.randrange(2**32), rng.randrange(20), rng.random() < 0.6, rng.random() < 0.5
        order = epoch_order(plan, n, seed + epoch, shuffle)
        for rank in sorted({0, world - 1, rng.randrange(world)}):
            sampler = DistributedSampler(range(n), world, rank, shuffle=shuffle, seed=seed, drop_last=drop)
            sampler.set_epoch(epoch)
            batch, drop_batch = rng.choice([1, 2, 3, 32]), rng.random() < 0.5
            shard = "drop" if drop else "pad"
            samples, batches, _, sizes, places = plan.deal(n, 0, rank, world, shard, batch, drop_batch)
            theirs = list(sampler)
            assert [order[i] for i in places] == theirs and samples == len(sampler), (n, world, rank, seed, drop)
            grouped = list(BatchSampler(theirs, batch, drop_batch))
            assert sizes.tolist() == [len(b) for b in grouped] and batches == len(grouped)


def test_exact_deals_every_row_once(plan):
    rng = random.Random(3)
    for _ in range(300):
        n, world = rng.randrange(100), rng.randrange(1, 20)
        shares = [plan.deal(n, 0, r, world, "exact")[4].tolist() for r in range(world)]
        assert sorted(i for share in shares for i in share) == list(SequentialSampler(range(n)))
        assert all(share == list(range(r, n, world)) for r, share in enumerate(shares))


def test_an_invalid_rank_is_refused_in_torchs_words(plan):
    for rank, world in [(4, 4), (5, 4), (0, 0), (1, 1), (7, 2)]:
        with pytest.raises(plandump.Refused) as ours:
            plan.deal(10, 0, rank, world, "pad")
        with pytest.raises(ValueError) as theirs:
            DistributedSampler(range(10), world, rank)
        assert str(ours.value) == str(theirs.value)


def test_a_batch_size_of_zero_is_refused_in_torchs_words(plan):
    with pytest.raises(plandump.Refused) as ours:
        plan.deal(10, 0, 0, 1, "pad", 0)
    with pytest.raises(ValueError) as theirs:
        BatchSampler(range(10), 0, False)
    assert str(ours.value) == str(theirs.value)
