# SPDX-License-Identifier: Apache-2.0
"""The examples for Accelerate and the Trainer of transformers, in one process and in two, stopped in the middle of an
epoch and resumed: all processes together see exactly the split, and nothing is dealt twice.
"""

import pytest

from processes import (  # noqa: F401  (some are fixtures)
    BATCH, each_epoch_once, each_once, running, shares, splits, times, up,
)  # fmt: skip

pytest.importorskip("torch")


# ---- Accelerate


def test_accelerate_goes_on_with_other_processes(running, splits, tmp_path):
    pytest.importorskip("accelerate")
    run, state = running("accelerate_loop.py"), tmp_path / "state"
    _, before = run(1, "--state", state, "--stop-after", 6)
    assert times(before, "train").total() == 6 * BATCH and not times(before, "val")
    out, after = run(2, "--state", state)
    rows = splits("accelerate")
    trained = len(rows["train"])
    left, again = trained - 6 * BATCH, up(trained, 2) - trained  # what is left begins at an even place
    assert shares(after, "train", 0) == [up(left, 2) // 2] * 2
    assert shares(after, "train", 1) == [up(trained, 2) // 2] * 2
    each_epoch_once(before, after, rows, again, out)


def test_accelerate_leaves_a_loader_as_it_is(demo_set):
    """prepare() hands it back; what would deal it again refuses."""
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    with demo_set.loader("train", 0, quiet=True) as loader:
        assert accelerator.prepare(loader) is loader
        assert accelerator.prepare(loader, torch_model())[0] is loader
        for shards_again in (accelerator.prepare_data_loader, accelerate.data_loader.prepare_data_loader):
            with pytest.raises(AttributeError, match="deals rows"):
                shards_again(loader)
        with pytest.raises(AttributeError, match="deals rows"):
            accelerate.skip_first_batches(loader, 3)


def torch_model():
    import torch

    return torch.nn.Linear(2, 2)


# ---- the Trainer of transformers


def test_trainer_in_one_process(running, splits):
    pytest.importorskip("transformers"), pytest.importorskip("accelerate")
    out, seen = running("hf_trainer.py")(1)
    rows = splits("trainer")
    for epoch in range(2):
        each_once(seen, "train", epoch, rows["train"])
    for epoch in range(3):  # two at the epochs' ends, one of its own
        each_once(seen, "val", epoch, rows["val"])
    assert f"over {len(rows['val'])} rows" in out


def test_trainer_goes_on_in_two_processes(running, splits, tmp_path, shared_db):
    pytest.importorskip("transformers"), pytest.importorskip("accelerate")
    run, output = running("hf_trainer.py"), tmp_path / "output"
    _, before = run(2, "--output", output, "--save-steps", 3, "--stop-after", 3)
    assert shares(before, "train", 0) == [3 * BATCH, 3 * BATCH]
    out, after = run(2, "--output", output, "--resume", output / "checkpoint-3")
    rows = splits("trainer")
    again = up(len(rows["train"]), 2) - len(rows["train"])
    each_once(before + after, "train", 0, rows["train"], again)
    each_once(after, "train", 1, rows["train"], again)
    again = up(len(rows["val"]), 2 * BATCH) - len(rows["val"])  # whole rounds: what repeats is cut before it counts
    each_once(after, "val", 0, rows["val"], again)
    labels = shared_db.dataset("trainer").label_values()[rows["val"]]
    assert f"over {len(labels)} rows, {int(labels.sum())} positives" in out


# ---- tokenizers of transformers


def test_a_tokenizer_of_transformers_is_data_pys_own(shared_db, demo):
    """hsfeed.compat takes the very object that data.py calls."""
    transformers = pytest.importorskip("transformers")
    for library in ("pandas", "sklearn", "iterstrat"):
        pytest.importorskip(library)
    import plain_data as plain

    from hsfeed import compat

    compat.use(shared_db)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(demo / "tokenizer"))
    given = demo / "comments.csv", None, ["Question"]
    comments, labels = compat.load_and_preprocess_data(*given)
    assert comments.tolist() == plain.load_and_preprocess_data(*given)[0].tolist()
    for max_length in (128, 12):
        data = compat.get_or_create_tokenized_dataset(comments, labels, tokenizer, max_length)
        for key, tensor in plain.get_tokenized_dataset(comments, labels, tokenizer, max_length).items():
            assert data[key].dtype == tensor.dtype and (data[key] == tensor).all()
    compat.use(None)
