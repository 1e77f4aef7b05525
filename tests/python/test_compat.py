# SPDX-License-Identifier: Apache-2.0
"""hsfeed.compat beside a plain data.py of pandas, scikit-learn and torch (plain_data.py): equal texts, labels, tensors,
folds, weights, batches and losses.
"""

import copy
import csv
import inspect
import pickle
import random
from typing import NamedTuple

import numpy as np
import pytest

from conftest import ROOT, SHARED

torch = pytest.importorskip("torch")
for library in ("pandas", "sklearn", "iterstrat", "tokenizers"):
    pytest.importorskip(library)

import plain_data as plain  # noqa: E402
from tokenizers import BertWordPieceTokenizer, Tokenizer  # noqa: E402
from tokenizers.models import BPE  # noqa: E402

import hsfeed  # noqa: E402
from hsfeed import compat  # noqa: E402

MANY = ["bully", "sexual", "religious", "threat", "spam"]


@pytest.fixture(autouse=True)
def database(shared_db):
    compat.use(shared_db)
    yield shared_db
    compat.use(None)


# ---- what both are run on


class Case(NamedTuple):
    """A file, and two tokenizers: hsfeed's way to name each, and the object that the plain script calls."""

    path: object
    columns: list
    tokenizers: list  # (for hsfeed, for the plain script)


def generated_rows(rows, seed):
    """Texts with what breaks naive readers, and five columns of 0 and 1; some cells are missing."""
    chance = random.Random(seed)
    words = ["আমি", "ভাত", "কাঁচা", "মরিচ", "the", "market", "Rain", "12", "!", "http://a.b/c?d", "৪৫", '"q"', "a,b"]
    joins = [" ", "  ", "\n", "\t", "\u00a0", " "]
    for i in range(rows):
        text = "".join(chance.choice(words) + chance.choice(joins) for _ in range(chance.randrange(1, 40)))
        labels = [str(int(chance.random() < share)) for share in (0.5, 0.3, 0.2, 0.1, 0.4)]
        if i % 97 == 5:
            text = chance.choice(["", "NA", "nan", "None"])
        if i % 101 == 7:
            labels[chance.randrange(5)] = ""
        if i % 53 == 3:
            text = str(i) + ".50"
        yield [text, *labels]


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["comment", *MANY])
        writer.writerows(rows)
    return path


def own_tokenizers():
    demo = ROOT / "config" / "demo" / "tokenizer"
    small = ROOT / "tests" / "fixtures" / "ingest" / "tokenizer" / "vocab.txt"
    other = BertWordPieceTokenizer(str(small), lowercase=True)._tokenizer
    first = Tokenizer.from_file(str(demo / "tokenizer.json"))
    return [(str(demo), plain.CallableTokenizer(first)), (copy.deepcopy(other), plain.CallableTokenizer(other))]


def shared_tokenizers():
    folders = [SHARED / "data" / "tokenizers" / name for name in ("banglabert", "mbert-cased")]
    made = [Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in folders]
    return [(str(folder), plain.CallableTokenizer(one)) for folder, one in zip(folders, made)]


CASES = ("one label", "five labels", "bn_hatespeech", "bn_cyberbully_multilabel")


def case_of(name, folder):
    if name.startswith("bn_"):
        path = SHARED / "data" / "csv" / f"{name}.csv"
        if not path.exists():
            pytest.skip(f"{path} is not here (HSFEED_SHARED names another place)")
        return Case(path, ["HateSpeech"] if name == "bn_hatespeech" else MANY, shared_tokenizers())
    path = write_csv(folder / "some comments.csv", generated_rows(700, seed=3))
    return Case(path, MANY[:1] if name == "one label" else MANY, own_tokenizers())


class Both(NamedTuple):
    case: Case
    comments: object
    labels: object
    data: object
    plain_comments: object
    plain_labels: object
    plain_data: object


@pytest.fixture(scope="module", params=CASES)
def both(request, shared_db, tmp_path_factory):
    """Everything loaded and tokenized in both ways, with teacher and student."""
    case = case_of(request.param, tmp_path_factory.mktemp("compat"))
    compat.use(shared_db)
    (ours, plains), (our_student, plain_student) = case.tokenizers
    comments, labels = compat.load_and_preprocess_data(case.path, label_columns=case.columns)
    data = compat.get_or_create_tokenized_dataset(comments, labels, ours, 128, student_tokenizer=our_student)
    expected = plain.load_and_preprocess_data(case.path, label_columns=case.columns)
    tensors = plain.get_tokenized_dataset(*expected, plains, 128, student_tokenizer=plain_student)
    return Both(case, comments, labels, data, *expected, tensors)


def same_tensors(ours, theirs):
    assert set(ours) == set(theirs)
    for key, tensor in theirs.items():
        assert ours[key].dtype == tensor.dtype and torch.equal(ours[key], tensor), key


# ---- loading


def test_texts_and_labels_are_those_of_pandas(both):
    assert isinstance(both.comments, np.ndarray) and both.comments.dtype == object
    assert both.comments.tolist() == both.plain_comments.tolist()
    assert both.labels.dtype == np.float32 and np.array_equal(both.labels, both.plain_labels)
    some = np.array([5, 0, 3])
    assert both.comments[some].tolist() == both.plain_comments[some].tolist()
    assert both.comments[3] == both.plain_comments[3]


def test_texts_can_be_pickled_and_a_copy_is_an_array_like_any_other(both):
    loaded = pickle.loads(pickle.dumps(both.comments))
    assert type(loaded) is np.ndarray and loaded.tolist() == both.comments.tolist()
    assert both.comments[:3]._origin is None and both.comments.copy()._origin is None


def test_what_is_printed_is_what_data_py_prints(both, capsys):
    compat.load_and_preprocess_data(both.case.path, label_columns=both.case.columns)
    ours = capsys.readouterr().out
    plain.load_and_preprocess_data(both.case.path, label_columns=both.case.columns)
    assert ours == capsys.readouterr().out and "Label Distribution:" in ours


def test_cleaned_texts_are_equal(both):
    options = {"label_columns": both.case.columns, "clean_text": True}
    ours, _ = compat.load_and_preprocess_data(both.case.path, **options)
    theirs, _ = plain.load_and_preprocess_data(both.case.path, **options)
    assert ours.tolist() == theirs.tolist() != both.comments.tolist()
    assert [compat.clean_bangla_text(text) for text in both.comments] == theirs.tolist()


def test_a_function_cleans_too(tmp_path):
    path = write_csv(tmp_path / "a.csv", generated_rows(50, seed=1))
    comments, _ = compat.load_and_preprocess_data(path, label_columns="bully", clean_text=str.upper)
    expected, _ = plain.load_and_preprocess_data(path, label_columns=["bully"])
    assert comments.tolist() == [text.upper() for text in expected]


def test_columns_that_are_missing_are_named_in_data_pys_words(tmp_path):
    path = write_csv(tmp_path / "a.csv", generated_rows(50, seed=1))
    for options in ({"text_column": "comment_text"}, {"text_column": "comment", "label_columns": ["bully", "rude"]}):
        with pytest.raises(ValueError) as theirs:
            plain.load_and_preprocess_data(path, **{"label_columns": MANY, **options})
        with pytest.raises(ValueError) as ours:
            compat.load_and_preprocess_data(path, **options)
        assert str(ours.value).startswith(str(theirs.value)) and '"spam"' in str(ours.value)
    with pytest.raises(FileNotFoundError):
        compat.load_and_preprocess_data(tmp_path / "b.csv")


def test_label_columns_are_found_or_asked_for(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "a.csv", generated_rows(50, seed=1))
    assert compat.load_and_preprocess_data(dataset_path=path)[1].shape[1] == 5
    binary = tmp_path / "b.csv"
    binary.write_text("Comments,HateSpeech\na b,1\nc d,0\n")
    assert compat.load_and_preprocess_data(binary)[1].tolist() == [[1], [0]]
    monkeypatch.setattr(compat, "LABEL_COLUMNS", ["threat"])
    assert compat.load_and_preprocess_data(path)[1].shape[1] == 1
    other = tmp_path / "c.csv"
    other.write_text("Comments,Rude\na b,1\nc d,0\n")
    with pytest.raises(ValueError, match="which columns are the labels"):
        compat.load_and_preprocess_data(other)


def test_one_file_is_given_by_either_name(tmp_path):
    for arguments in ((), ("a.csv",)):
        with pytest.raises(hsfeed.BadArgument, match="takes one file"):
            compat.load_and_preprocess_data(*arguments, dataset_path="b.csv" if arguments else None)


def test_a_tab_is_no_delimiter_whatever_the_file_is_called(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("text,HateSpeech\na\tb,1\nc,0\n")
    assert compat.load_and_preprocess_data(path)[0].tolist() == ["a\tb", "c"]


# ---- tensors


def test_tensors_are_those_of_the_tokenizers(both):
    same_tensors(both.data, both.plain_data)
    assert both.data["input_ids"].shape == (len(both.comments), 128)
    with pytest.raises(KeyError):
        both.data["token_type_ids"]


def test_tensors_are_made_once_and_when_they_are_read(both):
    fresh = compat.TokenizedData(both.data.dataset, both.labels, both.data.roles, 128)
    assert list(fresh._tensors) == ["labels"]
    assert fresh["attention_mask"] is fresh["attention_mask"]
    assert sorted(fresh._tensors) == ["attention_mask", "input_ids", "labels"]


def test_other_lengths_and_one_tokenizer(both):
    ours, plains = both.case.tokenizers[0]
    data = compat.get_or_create_tokenized_dataset(both.comments, both.labels, ours, max_length=24)
    same_tensors(data, plain.get_tokenized_dataset(both.plain_comments, both.plain_labels, plains, 24))


def test_data_of_one_tokenizer_stays_when_another_takes_its_place(both):
    ours = [ours for ours, _ in both.case.tokenizers]
    first, second = (compat.get_or_create_tokenized_dataset(both.comments, both.labels, t) for t in ours)
    assert torch.equal(first["input_ids"], both.plain_data["input_ids"])
    assert torch.equal(second["input_ids"], both.plain_data["student_input_ids"])


def test_a_pickle_is_a_dict_of_tensors(both):
    loaded = pickle.loads(pickle.dumps(both.data))
    assert type(loaded) is dict
    same_tensors(loaded, both.plain_data)


def test_the_folder_of_caches_is_said_once_not_to_be_used(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(compat, "_told", set())
    path = write_csv(tmp_path / "a.csv", generated_rows(30, seed=1))
    comments, labels = compat.load_and_preprocess_data(path)
    for _ in range(2):
        tokenizer = own_tokenizers()[0][0]
        compat.get_or_create_tokenized_dataset(comments, labels, tokenizer, 16, str(tmp_path / "cache"))
    assert capfd.readouterr().err.count("is not used") == 1 and not (tmp_path / "cache").exists()


# ---- texts and labels that come from elsewhere


def test_texts_in_memory_are_known_by_their_content(both, database):
    (ours, plains), _ = both.case.tokenizers
    texts, labels = both.comments[:300].tolist(), both.labels[:300]
    before = len(database.datasets())
    for given in (texts, np.array(texts, dtype=object)):
        data = compat.get_or_create_tokenized_dataset(given, labels, ours, 32)
        same_tensors(data, plain.get_tokenized_dataset(texts, labels, plains, 32))
    assert len(database.datasets()) == before + 1
    folds = list(compat.prepare_kfold_splits(texts, labels, 3))
    same_folds(folds, plain.prepare_kfold_splits(texts, labels, 3, default_type(labels)))


def test_arrays_that_were_written_into_are_what_is_in_them_now(both):
    ours, plains = both.case.tokenizers[0]
    comments, labels = compat.load_and_preprocess_data(both.case.path, label_columns=both.case.columns)
    comments[0] = "the market ৪৫"
    data = compat.get_or_create_tokenized_dataset(comments, labels, ours, 16)
    same_tensors(data, plain.get_tokenized_dataset(comments, labels, plains, 16))
    labels[:, 0] = 1 - labels[:, 0]
    folds = compat.prepare_kfold_splits(comments, labels)
    same_folds(folds, plain.prepare_kfold_splits(comments, labels, 5, default_type(labels)))


def test_empty_texts_and_labels_of_one_dimension_are_taken():
    texts, labels = ["", "the market", "NA", "rain"], np.array([0, 1, 1, 0], dtype=np.float32)
    ours, plains = own_tokenizers()[0]
    data = compat.get_or_create_tokenized_dataset(texts, labels, ours, 8)
    same_tensors(data, plain.get_tokenized_dataset(texts, labels.reshape(-1, 1), plains, 8))
    with pytest.raises(hsfeed.BadArgument, match="4 comments, but labels of 3 rows"):
        compat.get_or_create_tokenized_dataset(texts, labels[:3], ours)


def test_a_file_that_changed_meanwhile_is_another_version(tmp_path):
    path, (ours, plains) = tmp_path / "a.csv", own_tokenizers()[0]
    before = compat.load_and_preprocess_data(write_csv(path, generated_rows(60, seed=1)))
    after = compat.load_and_preprocess_data(write_csv(path, generated_rows(70, seed=2)))
    assert len(before[0]) < len(after[0])
    for comments, labels in (before, after, before):
        data = compat.get_or_create_tokenized_dataset(comments, labels, ours, 16)
        same_tensors(data, plain.get_tokenized_dataset(comments, labels, plains, 16))


def test_a_tokenizer_of_another_kind_is_refused_as_one(tmp_path, database):
    comments, labels = compat.load_and_preprocess_data(write_csv(tmp_path / "a.csv", generated_rows(30, seed=3)))
    stored, other = len(database.datasets()), Tokenizer(BPE({"a": 0, "b": 1}, []))
    with pytest.raises(hsfeed.Unsupported, match="model type"):
        compat.get_or_create_tokenized_dataset(comments, labels, other)
    assert len(database.datasets()) == stored  # nothing was tried in another place
    with pytest.raises(hsfeed.Unsupported, match="model type"):
        compat.get_or_create_tokenized_dataset(comments.tolist(), labels, other)


# ---- folds and weights


def default_type(labels):
    return "binary" if labels.shape[1] == 1 else "multiclass"


def same_folds(ours, theirs):
    ours, theirs = list(ours), list(theirs)
    assert len(ours) == len(theirs)
    for pair, expected in zip(ours, theirs):
        for rows, wanted in zip(pair, expected):
            assert rows.dtype == np.int64 and np.array_equal(rows, wanted)


@pytest.mark.parametrize("folds, seed", [(5, 42), (3, 7), (2, 0)])
@pytest.mark.parametrize("kind", [None, "binary", "multiclass", "multilabel", "none"])
def test_folds_are_those_of_scikit_learn(both, kind, folds, seed):
    if kind == "binary" and both.labels.shape[1] > 1:
        with pytest.raises(ValueError, match="takes one label column"):
            compat.prepare_kfold_splits(both.comments, both.labels, folds, kind, seed)
        return
    if kind == "multilabel" and both.labels.shape[1] == 1:  # the library refuses it too
        for module in (compat, plain):
            with pytest.raises(ValueError, match="Supported target type"):
                list(module.prepare_kfold_splits(both.comments, both.labels, folds, kind, seed))
        return
    ours = compat.prepare_kfold_splits(both.comments, both.labels, folds, kind, seed)
    wanted = kind or default_type(both.labels)
    same_folds(ours, plain.prepare_kfold_splits(both.plain_comments, both.plain_labels, folds, wanted, seed))


@pytest.mark.parametrize("kind", [None, "none"])
@pytest.mark.parametrize("seed", [42, 1])
def test_one_fold_is_train_test_split_in_its_order(both, kind, seed):
    try:
        theirs = list(plain.prepare_kfold_splits(both.plain_comments, both.plain_labels, 1, kind, seed))
    except ValueError:  # a combination of labels that only one row has
        with pytest.raises(ValueError):
            compat.prepare_kfold_splits(both.comments, both.labels, 1, kind, seed)
        return
    same_folds(compat.prepare_kfold_splits(both.comments, both.labels, 1, kind, seed), theirs)


def test_a_kind_that_is_none_is_refused(both):
    with pytest.raises(ValueError, match="binary, multiclass, multilabel, none, not 'stratified'"):
        compat.prepare_kfold_splits(both.comments, both.labels, 5, "stratified")


def test_weights_are_equal(both):
    rows = next(compat.prepare_kfold_splits(both.comments, both.labels))[0]
    for labels in (both.labels, both.labels[rows], both.labels[rows, :1], np.zeros((3, 2), np.float32)):
        weight = compat.calculate_class_weights(labels)
        assert weight.shape == (1,) and torch.equal(weight, plain.calculate_class_weights(labels))
        assert torch.equal(weight, compat.calculate_class_weights(torch.from_numpy(labels)))


# ---- batches


def same_batches(ours, theirs):
    """One pass over two loaders, which must draw alike: both begin at the same state of torch's generator."""
    state = torch.get_rng_state()
    expected = list(theirs)
    after = torch.get_rng_state()
    torch.set_rng_state(state)
    assert len(ours) == len(theirs) == len(expected)
    for batch, wanted in zip(ours, expected, strict=True):
        same_tensors(batch, wanted)
    assert torch.equal(torch.get_rng_state(), after)


def loaders_of(both, batch_size, workers=0, most=None):
    """Of the first fold; most: not all of its rows."""
    train, val = (rows[:most] for rows in next(compat.prepare_kfold_splits(both.comments, both.labels)))
    ours = compat.create_data_loaders(both.data, train, val, batch_size, num_workers=workers)
    return ours, plain.create_data_loaders(both.plain_data, train, val, batch_size, workers)


def test_batches_of_two_epochs_are_equal(both):
    ours, theirs = loaders_of(both, 32)
    assert all(isinstance(loader, hsfeed.Loader) for loader in ours)
    torch.manual_seed(5)
    for _ in range(2):
        for our_loader, their_loader in zip(ours, theirs):
            same_batches(our_loader, their_loader)


def test_batches_are_equal_whatever_else_draws(both):
    (train, val), (plain_train, plain_val) = loaders_of(both, 48, most=1000)
    torch.manual_seed(6)
    for loader, other in ((train, plain_train), (train, plain_train), (val, plain_val), (train, plain_train)):
        torch.randn(7)
        same_batches(loader, other)
        torch.nn.Linear(3, 2)


def test_passes_that_end_early_draw_alike(both):
    (train, val), (plain_train, plain_val) = loaders_of(both, 32, most=1000)

    def pieces(*loaders):
        torch.manual_seed(8)
        return [next(iter(loader)) for loader in loaders for _ in range(2)]

    for batch, wanted in zip(pieces(train, val, train), pieces(plain_train, plain_val, plain_train)):
        same_tensors(batch, wanted)


@pytest.mark.parametrize("workers", [0, 2])
def test_draws_come_when_a_dataloader_draws(both, workers):
    """A DataLoader with workers draws its order when a pass begins, one without at the first batch."""
    data = {key: tensor[:200] for key, tensor in both.plain_data.items()}
    theirs = plain.create_data_loaders(data, np.arange(100), np.arange(100, 150), 16, workers)
    ours = compat.create_data_loaders(both.data, np.arange(100), np.arange(100, 150), 16, num_workers=workers)

    def interleaved(train, val):
        torch.manual_seed(9)
        passes = iter(train), iter(val)
        torch.randn(5)
        return [next(one) for one in passes], torch.get_rng_state()

    (batches, state), (expected, plain_state) = interleaved(*ours), interleaved(*theirs)
    assert torch.equal(state, plain_state)
    for batch, wanted in zip(batches, expected):
        same_tensors(batch, wanted)


def test_any_rows_in_any_order_with_repeats(both):
    train, val = np.array([5, 3, 3, 299, 0, 7, 8]), [9, 2, 2]
    ours = compat.create_data_loaders(both.data, train, val, 2, num_workers=0)
    theirs = plain.create_data_loaders(both.plain_data, train, val, 2, 0)
    torch.manual_seed(1)
    for our_loader, their_loader in zip(ours, theirs):
        same_batches(our_loader, their_loader)


def test_one_tokenizer_may_be_teacher_and_student(both):
    ours, plains = both.case.tokenizers[0]
    texts, labels = both.comments[:60].tolist(), both.labels[:60]
    data = compat.get_or_create_tokenized_dataset(texts, labels, ours, 20, student_tokenizer=ours)
    expected = plain.get_tokenized_dataset(texts, labels, plains, 20, student_tokenizer=plains)
    same_tensors(data, expected)
    rows = np.arange(40)
    loaders = compat.create_data_loaders(data, rows, rows[:9], 16)
    torch.manual_seed(4)
    for loader, other in zip(loaders, plain.create_data_loaders(expected, rows, rows[:9], 16)):
        same_batches(loader, other)


def test_a_loader_tells_its_rows_and_goes_on_where_it_was(both):
    rows = np.array([7, 3, 9, 9, 40, 2])
    train, _ = compat.create_data_loaders(both.data, rows, [], 2)
    assert len(train.dataset) == 6 and train.dataset.indices.tolist() == rows.tolist()
    whole = [batch.index.tolist() for batch in train]
    assert sorted(sum(whole, [])) == sorted(rows.tolist())
    passed = iter(train)
    first = next(passed).index.tolist()
    state = train.state_dict()
    rest = [batch.index.tolist() for batch in passed]
    again, _ = compat.create_data_loaders(both.data, rows, [], 2)
    again.load_state_dict(state)
    assert [batch.index.tolist() for batch in again] == rest and len(first) == 2 and len(rest) == 2


def test_nothing_to_train_on_and_nothing_to_validate_on(both):
    with pytest.raises(ValueError):
        plain.create_data_loaders(both.plain_data, [], [1])
    with pytest.raises(ValueError, match="no row to train on"):
        compat.create_data_loaders(both.data, [], [1])
    train, val = compat.create_data_loaders(both.data, [1], [])
    assert (len(train), len(val), list(val)) == (1, 0, [])


def test_several_processes_are_refused(both, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(hsfeed.BadArgument, match="this is rank 1 of 2"):
        compat.create_data_loaders(both.data, [1], [0])


class Head(torch.nn.Module):
    """A small head over fixed random embeddings, with dropout, which draws from torch's generator."""

    def __init__(self, vocabulary, labels):
        super().__init__()
        table = torch.randn(vocabulary, 16, generator=torch.Generator().manual_seed(1))
        self.embed = torch.nn.Embedding.from_pretrained(table)
        self.layers = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(16, labels))

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.unsqueeze(-1).float()
        return self.layers((self.embed(input_ids) * mask).sum(1) / mask.sum(1))


def losses(create_data_loaders, weights_of, data, labels, folds, vocabulary):
    torch.manual_seed(42)
    found = []
    for train_rows, val_rows in folds:
        train, val = create_data_loaders(data, train_rows, val_rows, 64, 0)
        model = Head(vocabulary, labels.shape[1])
        loss_of = torch.nn.BCEWithLogitsLoss(pos_weight=weights_of(labels[train_rows]))
        optimizer = torch.optim.AdamW(model.layers.parameters(), lr=1e-2)
        for _ in range(2):
            for loader in (train, val):
                model.train(loader is train)
                for batch in loader:
                    loss = loss_of(model(batch["input_ids"], batch["attention_mask"]), batch["labels"])
                    if loader is train:
                        optimizer.zero_grad()
                        loss.backward()
                        optimizer.step()
                    found.append(loss.item())
    return found


def test_losses_of_a_training_run_agree_to_the_last_bit(both):
    vocabulary = int(both.plain_data["input_ids"].max()) + 1
    some = 2 if len(both.labels) < 1000 else 1  # folds
    ours = losses(
        compat.create_data_loaders,
        compat.calculate_class_weights,
        both.data,
        both.labels,
        list(compat.prepare_kfold_splits(both.comments, both.labels))[:some],
        vocabulary,
    )
    folds = list(plain.prepare_kfold_splits(both.plain_comments, both.plain_labels, 5, default_type(both.labels)))
    theirs = losses(
        plain.create_data_loaders,
        plain.calculate_class_weights,
        both.plain_data,
        both.plain_labels,
        folds[:some],
        vocabulary,
    )
    assert len(ours) > 40 and ours == theirs


# ---- torch's own loaders, and names


def test_indexed_dataset_goes_into_a_dataloader(both):
    rows = np.array([4, 1, 1, 30])
    ours, theirs = compat.IndexedDataset(both.data, rows), plain.IndexedDataset(both.plain_data, rows)
    assert len(ours) == len(theirs) == 4 and isinstance(ours, torch.utils.data.Dataset)
    for i in range(4):
        same_tensors(ours[i], theirs[i])
    options = {"batch_size": 3, "shuffle": True}
    torch.manual_seed(2)
    same_batches(torch.utils.data.DataLoader(ours, **options), torch.utils.data.DataLoader(theirs, **options))


def test_tensors_of_ones_own_are_loaded_by_torch(both):
    rows = np.arange(40)
    ours = compat.create_data_loaders(both.plain_data, rows, rows[:9], 16, num_workers=0)
    theirs = plain.create_data_loaders(both.plain_data, rows, rows[:9], 16, 0)
    torch.manual_seed(3)
    for our_loader, their_loader in zip(ours, theirs):
        same_batches(our_loader, their_loader)


def test_rows_that_are_not_there_are_refused(both):
    for rows in ([len(both.comments)], [-1], [0.5], [[1]], ["1"]):
        with pytest.raises((ValueError, IndexError)):
            train, _ = compat.create_data_loaders(both.data, rows, [0])
            next(iter(train))


@pytest.mark.parametrize("name", ["prepare_kfold_splits", "calculate_class_weights", "create_data_loaders"])
def test_signatures_are_data_pys(name):
    ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (compat, plain))
    assert len(ours) == len(theirs)
    assert list(ours)[1:] == list(theirs)[1:]


def test_all_names_of_data_py_are_there():
    for name in ("load_and_preprocess_data", "get_or_create_tokenized_dataset", "prepare_kfold_splits",
                 "calculate_class_weights", "create_data_loaders", "IndexedDataset", "clean_bangla_text",
                 "LABEL_COLUMNS"):  # fmt: skip
        assert name in compat.__all__ and hasattr(compat, name)
