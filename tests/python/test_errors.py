# SPDX-License-Identifier: Apache-2.0
"""Exceptions: one class per code, usable as the builtin ones they are, whole after pickling."""

import copy
import pickle

import pytest

import hsfeed
from hsfeed import _hsfeed
from hsfeed.errors import error_from


def test_every_code_of_the_library_has_a_class_of_its_own():
    classes = {name: type(error_from(number, name, "m", "h")) for name, number in _hsfeed.errors().items()}
    only_the_daemons = {"locked", "foreign", "remote_fs", "no_catalog", "bad_config"}  # never reach a client
    assert {name for name, cls in classes.items() if cls is hsfeed.Error} == only_the_daemons
    named = [cls for cls in classes.values() if cls is not hsfeed.Error]
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    "number, name, builtin",
    [
        (-2, "io_error", FileNotFoundError),
        (-13, "io_error", PermissionError),
        (-28, "no_space", OSError),
        (-12, "out_of_memory", MemoryError),
        (-1002, "bad_request", ValueError),
        (-1006, "not_found", LookupError),
        (-1030, "connection_lost", ConnectionError),
        (-1031, "timeout", TimeoutError),
        (-1007, "denied", PermissionError),
    ],
)
def test_errors_are_the_builtin_ones_too(number, name, builtin):
    error = error_from(number, name, "what", "how")
    assert isinstance(error, hsfeed.Error) and isinstance(error, builtin)
    assert (error.number, error.code, error.message, error.hint, str(error)) == (
        number,
        name,
        "what",
        "how",
        "what\n  how",
    )
    if isinstance(error, OSError):
        assert error.errno == (-number if number > -1000 else None)


def test_an_unknown_code_is_an_error_with_its_name():
    error = error_from(-1028, "brand_new", "what", "")
    assert type(error) is hsfeed.Error and error.code == "brand_new" and str(error) == "what"


@pytest.mark.parametrize("name, number", sorted(_hsfeed.errors().items()))
def test_errors_survive_pickle_and_copy(name, number):
    error = error_from(number, name, "what", "how")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert (again.number, again.code, str(again)) == (number, name, "what\n  how")


@pytest.mark.parametrize(
    "hint, wanted",
    [
        (
            "say --na empty to keep these rows, or --na pandas to",
            "na='empty' to keep these rows, or na='pandas'",
        ),
        ("with --labels A,B, or say --labels none", "labels=['A', 'B'], or say labels=None"),
        (
            "with --text; the delimiter is comma (--delimiter)",
            "text_column=; the delimiter is comma (delimiter=)",
        ),
        (
            "say --delimiter semicolon, or --delimiter comma if",
            "delimiter='semicolon', or delimiter='comma' if",
        ),
        ("name one of them with --positive", "with positive="),
        ("it may be --charset latin-1", "it may be charset='latin-1'"),
        ("--bad-rows skip drops such rows", "bad_rows='skip' drops such rows"),
        ("use --kind plain, or --labels COLUMN", "use kind='plain', or labels=['COLUMN']"),
        ("add one with: hsfeed add x --tokenizer student=DIR", "with: ds.add('FOLDER', role='student')"),
        ("hsfeed datasets lists what there is", "db.datasets() lists"),
    ],
)
def test_hints_are_python(hint, wanted):
    assert wanted in error_from(-1002, "bad_request", "m", hint).hint


@pytest.mark.parametrize(
    "message, hint, wanted",
    [
        (
            "--positive makes 0 and 1, --label-type class makes classes",
            "",
            "positive= makes 0 and 1, label_type='class' makes",
        ),
        (
            'ingest: the key "options.na" has the unknown value "x"',
            "known: pandas empty",
            'na is one of pandas, empty, not "x"',
        ),
        (
            'a.csv: there is no label column "hate"; the columns are "text", "Hate"',
            "",
            "did you mean 'Hate'?",
        ),
        ('a.csv: no label is "--text"', "", 'a.csv: no label is "--text"'),
    ],
)
def test_sentences_are_python(message, hint, wanted):
    assert wanted in str(error_from(-1002, "bad_request", message, hint))


def test_where_no_daemon_answers_the_sentence_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(hsfeed.NoDaemon) as caught:
        hsfeed.connect(tmp_path / "none.sock")
    assert str(tmp_path / "none.sock") in str(caught.value) and "hsfeed start" in caught.value.hint
