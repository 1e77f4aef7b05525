# SPDX-License-Identifier: Apache-2.0
"""Attached arrays in Python: what may be given, what comes with batches, views of it, states that keep it, a
teacher per fold.
"""

import gc
import json
import logging
import re
import signal

import numpy as np
import pytest

import hsfeed
from conftest import restart

torch = pytest.importorskip("torch")

ROWS = 150
OPTIONS = {"quiet": True, "rank": 0, "world_size": 1, "batch_size": 7, "max_length": 16}


def few(database, demo, name="few", rows=ROWS):
    return database.ingest(
        name,
        texts=[f"rain sky {i}" for i in range(rows)],
        labels=[i % 2 for i in range(rows)],
        tokenizers=demo / "tokenizer",
        quiet=True,
    )


@pytest.fixture
def ds(shared_db, demo, request):
    """A dataset of this test's own."""
    return few(shared_db, demo, re.sub("[^a-z0-9]", "-", request.node.name)[:100])


def values(columns=3, rows=ROWS, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def served(ds, *names, **options):
    loader = ds.loader("all", arrays=list(names), **{**OPTIONS, **options})
    return {name: torch.cat([batch[name] for batch in loader]).numpy() for name in names}


# ---- giving


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["numpy", "torch", "big-endian", "columns of more", "lists"])
def test_floats_of_every_kind_are_taken(ds, dtype, kind):
    given = values().astype(dtype)
    wanted = given.astype(np.float32)
    as_given = {
        "numpy": given,
        "torch": torch.from_numpy(given).requires_grad_(),
        "big-endian": given.astype(given.dtype.newbyteorder(">")),
        "columns of more": np.concatenate([given, given], axis=1)[:, :3],
        "lists": given.astype(float).tolist(),
    }[kind]
    answer = ds.attach("logits", as_given)
    assert (answer["state"], answer["rows"], answer["columns"], answer["nan_rows"]) == ("new", ROWS, 3, 0)
    np.testing.assert_array_equal(served(ds, "logits")["logits"], wanted)
    assert ds.attach("logits", as_given)["state"] == "known"


def test_bfloat16_and_one_dimension_are_taken(ds):
    given = torch.randn(ROWS, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    ds.attach("score", given)
    got = served(ds, "score")["score"]
    assert got.shape == (ROWS,)
    np.testing.assert_array_equal(got, given.float().numpy())


def test_what_cannot_be_attached_is_refused_with_its_place(ds):
    bad = values()
    bad[4, 1] = np.nan
    cases = [
        (bad, {}, hsfeed.BadArray, "row 4, column 1 is NaN"),
        (np.where(np.isnan(bad), np.inf, bad), {"nan": "allow"}, hsfeed.BadArray, "row 4, column 1 is infinite"),
        (values(rows=149), {}, hsfeed.BadArray, "has 149 rows"),
        (values().astype(int), {}, hsfeed.BadArray, "its dtype is int64"),
        (values().reshape(ROWS, 3, 1), {}, hsfeed.BadArray, "3 dimensions"),
        (np.float32(1), {}, hsfeed.BadArray, "0 dimensions"),
        (np.zeros((ROWS, 0), "f4"), {}, hsfeed.BadArray, "0 columns"),
        (np.zeros((ROWS, 4097), "f4"), {}, hsfeed.BadArray, "4097 columns"),
        ([["a"]] * ROWS, {}, hsfeed.BadArray, "its dtype is"),
        (None, {}, hsfeed.BadArray, "its dtype is object"),
        (values(), {"nan": "zero"}, hsfeed.BadArgument, "nan is"),
    ]
    for given, options, error, part in cases:
        with pytest.raises(error, match=part):
            ds.attach("logits", given, **options)
    for name in ("labels", "input_ids", "index", "a/b", ""):
        with pytest.raises(hsfeed.BadRequest):
            ds.attach(name, values())
    assert ds.arrays() == []
    assert isinstance(hsfeed.BadArray("x"), ValueError)


def test_other_values_need_replace(ds):
    ds.attach("logits", values())
    with pytest.raises(hsfeed.BadRequest, match="has an array logits already"):
        ds.attach("logits", values(seed=1))
    assert ds.attach("logits", values(seed=1), replace=True)["state"] == "replaced"
    np.testing.assert_array_equal(served(ds, "logits")["logits"], values(seed=1))
    assert ds.detach("logits") is True and ds.detach("logits") is False
    with pytest.raises(hsfeed.NotFound, match='no array "logits"'):
        served(ds, "logits")


def test_progress_is_told_and_can_cancel(ds):
    told = []
    ds.attach("logits", values(), progress=lambda *args: told.append(args[0]))
    assert "publish" in told
    for seed in range(100):  # who is late cancels nothing, or only the answer
        told, cancelled = [], False
        try:
            ds.attach("other", values(seed=seed), progress=lambda *args: told.append(args[0]) or True)
        except hsfeed.Cancelled:
            cancelled = True
        assert cancelled or "publish" in told
        if cancelled and "publish" not in told:
            break
        assert ds.detach("other") is True
    assert cancelled and [a["array"] for a in ds.arrays()] == ["logits"]


# ---- serving


@pytest.mark.parametrize("transport", ["ring", "inline"])
@pytest.mark.parametrize("split, fold", [("train", 1), ("val", 1), ("all", None)])
def test_rows_come_with_their_batch(ds, transport, split, fold):
    logits, score = values(), values(1, seed=1)[:, 0]
    ds.attach("logits", logits)
    ds.attach("score", score)
    seen = 0
    for rank in range(2):
        options = {**OPTIONS, "rank": rank, "world_size": 2}
        loader = ds.loader(split, fold, arrays=["score", "logits"], transport=transport, **options)
        for _ in range(2):
            for batch in loader:
                assert list(batch) == ["input_ids", "attention_mask", "labels", "score", "logits"]
                index = batch.index.numpy()
                np.testing.assert_array_equal(batch["logits"].numpy(), logits[index])
                np.testing.assert_array_equal(batch["score"].numpy(), score[index])
                assert batch["logits"].dtype == torch.float32 and batch["logits"].shape == (len(index), 3)
                seen += len(index)
    assert seen >= 2 * len(ds.split_rows(split, fold))


def test_batches_hold_views_that_stay_what_they_are(ds):
    logits = values(64)
    ds.attach("logits", logits)
    loader = ds.loader("train", 0, arrays="logits", slots=8, **OPTIONS)
    kept = [(batch["logits"], batch.index.clone()) for batch in loader]
    gc.collect()
    for tensor, index in kept:
        np.testing.assert_array_equal(tensor.numpy(), logits[index.numpy()])
    first = next(iter(ds.loader("all", arrays="logits", **OPTIONS)))
    assert first["logits"].data_ptr() % 64 == 0


def test_two_folds_loaders_and_whole_tensors_take_arrays(ds):
    ds.attach("logits", values())
    for loader in ds.loaders(2, arrays=["logits"], **OPTIONS):
        for batch in loader:
            np.testing.assert_array_equal(batch["logits"].numpy(), values()[batch.index.numpy()])
    np.testing.assert_array_equal(ds.tensors(arrays=["logits"], max_length=16)["logits"].numpy(), values())
    assert "logits" not in ds.tensors(max_length=16)


def test_a_loader_tells_and_checks_its_arrays(ds, capfd):
    ds.attach("logits", values())
    loader = ds.loader("all", arrays=["logits"], **{**OPTIONS, "quiet": False})
    assert list(loader.describe()["attached"]) == ["logits"]
    assert "arrays logits" in capfd.readouterr().err
    with pytest.raises(hsfeed.BadArgument, match="names of attached arrays"):
        ds.loader("all", arrays=[1], **OPTIONS)
    with pytest.raises(hsfeed.NotFound, match="it has: logits"):
        len(ds.loader("all", arrays=["logit"], **OPTIONS))
    with pytest.raises(hsfeed.BadRequest, match="named twice"):
        len(ds.loader("all", arrays=["logits", "logits"], **OPTIONS))


# ---- a teacher per fold


def test_a_teacher_per_fold_fills_its_own_rows(ds):
    whole = values()
    for fold in range(3):
        rows = ds.split_rows("val", fold)
        answer = ds.attach(f"teacher_{fold}", whole[rows], index=rows)
        assert answer["nan_rows"] == ROWS - len(rows)
        got = served(ds, f"teacher_{fold}")[f"teacher_{fold}"]
        np.testing.assert_array_equal(got[rows], whole[rows])
        assert np.isnan(np.delete(got, rows, axis=0)).all()
        for batch in ds.loader("val", fold, arrays=f"teacher_{fold}", **OPTIONS):
            assert not batch[f"teacher_{fold}"].isnan().any()
    assert [a["nan_rows"] > 0 for a in ds.arrays()] == [True] * 3


def test_rows_may_be_a_mask_a_tensor_or_in_any_order(ds):
    rows = np.random.default_rng(3).permutation(ROWS)[:40]
    mask = np.zeros(ROWS, dtype=bool)
    mask[rows] = True
    ids = {
        ds.attach("logits", values()[rows], index=rows)["id"],
        ds.attach("logits", values()[rows], index=torch.from_numpy(rows))["id"],
        ds.attach("logits", values()[rows], index=rows.tolist())["id"],
        ds.attach("logits", values()[np.sort(rows)], index=mask)["id"],
    }
    assert len(ids) == 1


def test_row_numbers_that_cannot_be_are_refused(ds):
    cases = [
        ([0, ROWS], hsfeed.BadArgument, f"names row {ROWS}"),
        ([-1, 0], hsfeed.BadArgument, "names row -1"),
        ([5, 5], hsfeed.BadArgument, "names row 5 twice"),
        ([0.0, 1.0], hsfeed.BadArgument, "row numbers"),
        ([[0, 1]], hsfeed.BadArgument, "row numbers"),
        (np.zeros(7, dtype=bool), hsfeed.BadArgument, "a mask"),
        ([0, 1, 2], hsfeed.BadArray, "index names 3 rows, and there are 2 of values"),
    ]
    for index, error, part in cases:
        with pytest.raises(error, match=part):
            ds.attach("logits", values()[:2], index=index)
    bad = values()[:2]
    bad[1, 0] = np.nan
    with pytest.raises(hsfeed.BadArray, match=r"row 9 \(values\[1\]\) is NaN"):
        ds.attach("logits", bad, index=[4, 9])
    assert ds.attach("logits", bad, index=[4, 9], nan="allow")["nan_rows"] == ROWS - 1


class Lossy:
    """A client whose connection ends when the answer to a removal comes."""

    def __init__(self, client):
        self.client = client

    def call(self, method, *rest):
        answer = self.client.call(method, *rest)
        if method in ("detach", "plan.rm", "rm"):
            raise hsfeed.errors.ConnectionLost("the connection ended")
        return answer


def test_a_removal_whose_answer_is_lost_is_not_asked_twice(ds, shared_db, monkeypatch):
    """The second answer would say that nothing was there."""
    ds.attach("lost", values(seed=12))
    ds.save_plan("lost", k=3)
    monkeypatch.setattr(shared_db, "_client", Lossy(shared_db._client))
    for remove in (ds.detach, ds.remove_plan):
        with pytest.raises(hsfeed.errors.ConnectionLost):
            remove("lost")
    monkeypatch.undo()
    assert not ds.detach("lost") and not ds.remove_plan("lost")


# ---- states


def test_a_state_that_is_refused_late_leaves_the_loaders_own_values(ds, shared_db, demo):
    options = {**OPTIONS, "arrays": ["logits"], "order": "dataloader"}
    for one in (ds, few(shared_db, demo, "another")):  # which keeps them in the store
        one.attach("logits", values(seed=13))
    loader = ds.loader("train", 0, generator=torch.Generator().manual_seed(1), **options)
    next(iter(loader))
    state = loader.state_dict()
    state["drawn"] = {**state["drawn"], "generator": "AAAA"}
    ds.attach("logits", values(seed=14), replace=True)
    late = ds.loader("train", 0, generator=torch.Generator().manual_seed(1), **options)
    own = late.state_dict()["options"]["attached"]
    assert own != state["options"]["attached"]
    with pytest.raises(hsfeed.StateMismatch, match="generator"):
        late.load_state_dict(state)
    assert late.state_dict()["options"]["attached"] == own
    batch = next(iter(late))
    np.testing.assert_array_equal(batch["logits"].numpy(), values(seed=14)[batch.index.numpy()])


def test_a_state_keeps_its_arrays(ds, caplog):
    """Values that no other test has: one version of one user has each array once, under whatever names."""
    ds.attach("logits", values(seed=7))
    loader = ds.loader("train", 0, arrays=["logits"], **OPTIONS)
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    state = json.loads(json.dumps(loader.state_dict()))
    assert state["options"]["attached"][0][0] == "logits"
    rest = [(b["logits"].clone(), b.index) for b in batches]
    again = ds.loader("train", 0, arrays=["logits"], **OPTIONS)
    again.load_state_dict(state)
    for (logits, index), batch in zip(rest, again, strict=True):
        assert torch.equal(batch["logits"], logits) and torch.equal(batch.index, index)

    holder = ds.loader("all", arrays=["logits"], **OPTIONS)
    len(holder)  # keeps the file in the store
    ds.attach("logits", values(seed=8), replace=True)
    other = ds.loader("train", 0, **OPTIONS)
    with pytest.raises(hsfeed.StateMismatch, match="attached: the state has"):
        other.load_state_dict(state)
    late = ds.loader("train", 0, arrays=["logits"], **OPTIONS)
    len(late)
    with pytest.raises(hsfeed.NotFound, match="not in the store any more"):
        late.load_state_dict(state)
    batch = next(iter(late))  # as before
    assert torch.equal(batch["logits"], torch.from_numpy(values(seed=8))[batch.index])
    ds.attach("logits", values(seed=7), replace=True)
    with caplog.at_level(logging.WARNING, "hsfeed"):
        back = ds.loader("train", 0, arrays=["logits"], **OPTIONS)
        back.load_state_dict(state)
    assert torch.equal(next(iter(back))["logits"], rest[0][0])
    assert not [r for r in caplog.records if "attached arrays are served" in r.message]


def test_a_state_is_served_what_is_still_stored_under_another_name(ds, shared_db, demo, caplog):
    ds.attach("logits", values(seed=9))
    twin = few(shared_db, demo, "twin")
    assert twin.version == ds.version and twin.arrays() == []
    twin.attach("logits", values(seed=9))
    loader = ds.loader("train", 0, arrays=["logits"], **OPTIONS)
    first = next(iter(loader))["logits"].clone()
    state = {**loader.state_dict(), "at": 0}
    ds.attach("logits", values(seed=10), replace=True)
    late = ds.loader("train", 0, arrays=["logits"], **OPTIONS)
    with caplog.at_level(logging.WARNING, "hsfeed"):
        late.load_state_dict(state)
    assert [r for r in caplog.records if "attached arrays are served" in r.message]
    assert torch.equal(next(iter(late))["logits"], first)


def test_states_from_before_there_were_arrays_are_still_good(ds):
    loader = ds.loader("train", 0, **OPTIONS)
    next(iter(loader))
    state = loader.state_dict()
    assert "attached" not in state["options"]
    ds.loader("train", 0, **OPTIONS).load_state_dict(state)
    ds.attach("logits", values())
    with pytest.raises(hsfeed.StateMismatch, match="attached"):
        ds.loader("train", 0, arrays=["logits"], **OPTIONS).load_state_dict(state)


def test_a_loader_stays_on_its_values_also_over_a_restart(daemon, db, demo):
    ds = few(db, demo)
    ds.attach("logits", values())
    options = {**OPTIONS, "batch_size": 1}  # more batches than can be there already when the daemon is gone
    loader = ds.loader("train", 0, arrays=["logits"], **options)
    seen = []
    for i, batch in enumerate(loader):
        seen.append((batch["logits"].clone(), batch.index))
        if i == 2:
            daemon.stop(signal.SIGKILL)
            restart(daemon)
    assert len(seen) == len(loader)
    for logits, index in seen:
        assert torch.equal(logits, torch.from_numpy(values())[index])
    batches = iter(loader)
    next(batches)
    ds.attach("logits", values(seed=1), replace=True)
    for batch in batches:  # still open on the first ones
        assert torch.equal(batch["logits"], torch.from_numpy(values())[batch.index])
    daemon.stop()
    restart(daemon)
    with pytest.raises(hsfeed.NotFound, match="not in the store any more"):
        list(loader)


def test_a_student_learns_the_same_from_stored_logits_as_from_a_teacher_that_runs(ds):
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(16, 2, generator=generator)

    def run(ids):
        return ids.float() / 1000 @ teacher

    whole = ds.tensors(max_length=16)
    ds.attach("logits", run(whole["input_ids"]))

    def losses(stored):
        torch.manual_seed(1)
        student = torch.nn.Linear(16, 2)
        optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
        found = []
        for _ in range(2):
            for batch in ds.loader("train", 0, arrays=["logits"], **OPTIONS):
                wanted = batch["logits"] if stored else run(whole["input_ids"])[batch.index]
                loss = torch.nn.functional.mse_loss(student(batch["input_ids"].float() / 1000), wanted)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                found.append(loss.item())
        return found

    assert losses(True) == losses(False)


def test_the_extension_takes_a_path_and_where_in_the_file_values_begin(ds, tmp_path):
    path = tmp_path / "values.bin"
    path.write_bytes(b"some head" + values().tobytes())
    client = hsfeed._hsfeed.Client(ds.socket)
    asked = {"name": ds.ref, "array": "logits", "dtype": "float32", "rows": ROWS, "columns": 3}
    assert client.attach({**asked, "path": path, "offset": 9})["state"] == "new"
    np.testing.assert_array_equal(served(ds, "logits")["logits"], values())
    with pytest.raises(hsfeed.BadArray, match="it holds"):
        client.attach({**asked, "path": path, "offset": 8})
    with pytest.raises(hsfeed.BadArgument, match="neither a path nor data"):
        client.attach(asked)
    with pytest.raises(hsfeed.MissingFile):
        client.attach({**asked, "path": tmp_path / "missing"})
    with pytest.raises(TypeError, match="'fd' is not known"):
        client.attach({**asked, "fd": 0})
    client.close()


def test_what_was_refused_before_it_was_taken_leaves_no_handle_behind(ds):
    """The daemon holds so many handles for a connection and no more."""
    wrong = {"name": ds.ref, "array": "a", "data": values(), "dtype": "int32", "rows": ROWS, "columns": 3}
    for _ in range(40):
        with pytest.raises(hsfeed.Error, match="dtype"):
            ds.database._client.attach(wrong)
    assert ds.attach("a", values())["state"] == "new"
