# SPDX-License-Identifier: Apache-2.0
"""What a loader must deal, in numpy, written from the protocol's words alone: nothing here is fast or
clever.
"""

import numpy as np

CLS, SEP, PAD = 2, 3, 0  # of the demo's tokenizer
MASK = "attention_mask"


class Reference:
    """One dataset's rows, read whole, and the batches that follow from them."""

    def __init__(self, ds):
        self.rows = ds.rows
        self.labels = ds.label_values()
        self.ids = {role: [] for role in ds.roles}
        for role in ds.roles:
            for page in ds.pages(role):
                bounds = page["offsets"].tolist()
                self.ids[role] += [page["ids"][a:b].tolist() for a, b in zip(bounds, bounds[1:])]

    def order(self, rows, order, seed, epoch):
        """The epoch's order of these row numbers."""
        import torch

        if order == "sequential":
            return np.asarray(rows)
        generator = torch.Generator().manual_seed(seed + epoch)
        return np.asarray(rows)[torch.randperm(len(rows), generator=generator).numpy()]

    def share(self, order, at, rank, world, shard):
        """What one rank gets from a position on."""
        rest = order[at:].tolist()
        if shard == "pad" and len(order):
            place = at
            rest = []
            while place < len(order) or len(rest) % world:
                rest.append(int(order[place % len(order)]))
                place += 1
        if shard == "drop":
            rest = rest[: len(rest) // world * world]
        return rest[rank::world]

    def epochs(self, rows, n, **shape):
        """The batches of the first n epochs, as train deals them by default."""
        dealt = {"order": "shuffle", "shard": "pad", **shape}
        return [batch for epoch in range(n) for batch in self.batches(rows, epoch=epoch, **dealt)]

    def batches(
        self,
        rows,
        *,
        order,
        seed=42,
        epoch=0,
        at=0,
        rank=0,
        world=1,
        shard,
        batch_size,
        drop_last=False,
        **shape,
    ):
        """The batches of one rank from a position on, as dicts of arrays with "index"."""
        mine = self.share(self.order(rows, order, seed, epoch), at, rank, world, shard)
        cut = [mine[i : i + batch_size] for i in range(0, len(mine), batch_size)]
        if drop_last and cut and len(cut[-1]) < batch_size:
            cut.pop()
        return [self.batch(index, **shape) for index in cut]

    def batch(
        self,
        index,
        *,
        roles=("text",),
        max_length=128,
        padding="max_length",
        dtype="int64",
        token_type_ids=False,
    ):
        made = {}
        for i, role in enumerate(roles):
            prefix = f"{role}_" if i else ""
            length = max_length[role] if isinstance(max_length, dict) else max_length
            rows = [[CLS, *self.ids[role][r][: length - 2], SEP] for r in index]
            width = self.width(rows, length, padding)
            made[f"{prefix}input_ids"] = np.array(
                [row + [PAD] * (width - len(row)) for row in rows], dtype=dtype
            )
            made[f"{prefix}{MASK}"] = np.array(
                [[1] * len(row) + [0] * (width - len(row)) for row in rows], dtype=dtype
            )
            if token_type_ids:
                made[f"{prefix}token_type_ids"] = np.zeros_like(made[f"{prefix}input_ids"])
        if self.labels is not None:
            made["labels"] = self.labels[np.asarray(index)]
        made["index"] = np.asarray(index, dtype=np.int64)
        return made

    def width(self, rows, length, padding):
        if padding == "max_length":
            return length
        longest = max(map(len, rows))
        return longest if padding == "longest" else -(-longest // padding) * padding


def arrays_of(batch):
    """A loader's batch as the reference's: copies, so that nothing keeps a slot."""
    made = {name: tensor.numpy().copy() for name, tensor in batch.items()}
    made["index"] = batch.index.numpy().copy()
    return made


def assert_same(got, wanted):
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        assert got[name].dtype == array.dtype and got[name].shape == array.shape, name
        assert (got[name] == array).all(), name


def assert_all_same(got, wanted):
    got = list(got)
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted):
        assert_same(a, b)
