# SPDX-License-Identifier: Apache-2.0
"""hsfeed attach, detach, show, stream --arrays: files as numpy writes them, on every way to the daemon."""
import io
import pickle

import pytest

np = pytest.importorskip("numpy")


@pytest.fixture
def hate(daemon, demo):
    done = daemon.json("ingest", "hate", demo / "comments.csv", "--tokenizer", demo / "tokenizer", "--text", "Comments",
                       "--labels", "Question")
    return done["version_info"]["rows"]


def values(n, columns=4, dtype="float32"):
    return np.random.default_rng(7).standard_normal((n, columns)).astype(dtype)


def save(path, array, version=(1, 0)):
    with open(path, "wb") as file:
        np.lib.format.write_array(file, array, version=version, allow_pickle=True)
    return path


def served(daemon, *options, env=None):
    lines = daemon.lines("stream", "hate", "--max-length", "8", *options, env=env)
    return {name: np.concatenate([np.asarray(line[name]) for line in lines]) for name in lines[0] if name != "batch"}


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_numpy_saves_is_attached_and_served(daemon, hate, tmp_path, version, dtype):
    given = values(hate, dtype=dtype)
    done = daemon.json("attach", "hate", "logits", save(tmp_path / "a.npy", given, version))
    assert (done["state"], done["rows"], done["columns"]) == ("new", hate, 4)
    got = served(daemon, "--arrays", "logits", "--split", "all")
    np.testing.assert_array_equal(got["logits"].astype(np.float32), given.astype(np.float32))
    np.testing.assert_array_equal(got["index"], np.arange(hate))


@pytest.mark.parametrize("transport", ["ring", "inline"])
def test_arrays_come_through_every_transport_in_the_order_asked(daemon, hate, tmp_path, transport):
    logits, score = values(hate), np.arange(hate, dtype=np.float32)
    daemon.run("attach", "hate", "logits", save(tmp_path / "a.npy", logits))
    daemon.run("attach", "hate", "score", save(tmp_path / "b.npy", score))
    got = served(daemon, "--arrays", "score,logits", "--fold", "2", "--epoch", "1", "--transport", transport)
    names = list(got)
    assert names.index("score") < names.index("logits")
    np.testing.assert_array_equal(got["score"], got["index"])
    np.testing.assert_array_equal(got["logits"].astype(np.float32), logits[got["index"]])
    said = daemon.run("stream", "hate", "--arrays", "logits", "--fold", "0", "--format", "none").stderr
    assert "array logits" in said


def test_a_digest_covers_the_arrays(daemon, hate, tmp_path):
    daemon.run("attach", "hate", "logits", save(tmp_path / "a.npy", values(hate)))
    options = ("stream", "hate", "--fold", "0", "--format", "digest")
    without, ring, inline = (daemon.run(*options, *more).stdout for more in
                             ((), ("--arrays", "logits", "--transport", "ring"),
                              ("--arrays", "logits", "--transport", "inline")))
    assert ring == inline != without


def test_files_can_be_sent_where_descriptors_cannot_pass(daemon, hate, tmp_path):
    given = values(hate)
    daemon.run("attach", "hate", "logits", save(tmp_path / "a.npy", given), env={"HSFEED_NO_FDPASS": "1"})
    got = served(daemon, "--arrays", "logits", "--split", "all", env={"HSFEED_NO_FDPASS": "1"})
    np.testing.assert_array_equal(got["logits"].astype(np.float32), given)


def test_people_are_told_what_was_done(daemon, hate, tmp_path):
    path = save(tmp_path / "a.npy", values(hate, dtype="float64"))
    assert f"{hate:,} rows of 4 numbers attached" in daemon.run("attach", "hate", "logits", path).stdout
    assert "nothing was done" in daemon.run("attach", "hate", "logits", path).stdout
    other = values(hate)
    other[3] = np.nan
    save(path, other)
    refused = daemon.run("attach", "hate", "logits", path, check=False)
    assert refused.returncode == 1 and "row 3, column 0 is NaN" in refused.stderr and "--nan allow" in refused.stderr
    refused = daemon.run("attach", "hate", "logits", path, "--nan", "allow", check=False)
    assert refused.returncode == 1 and "has an array logits already" in refused.stderr
    said = daemon.run("attach", "hate", "logits", path, "--nan", "allow", "--replace").stdout
    assert "in the place of other values" in said and "1 rows have NaN" in said
    shown = daemon.run("show", "hate").stdout
    assert f"array logits: {hate:,} rows of 4 numbers, float32; 1 rows with NaN" in shown
    array = daemon.json("show", "hate")["arrays"][0]
    assert array["id"] in shown and array["path"] in shown
    assert served(daemon, "--arrays", "logits", "--split", "all")["logits"][3].tolist() == [None] * 4  # JSON has no NaN
    with open(array["path"], "r+b") as file:
        file.seek(array["bytes"] // 2)
        byte = file.read(1)
        file.seek(-1, io.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    damaged = daemon.run("verify", check=False)
    assert damaged.returncode == 1 and "array logits" in damaged.stdout
    assert "detached" in daemon.run("detach", "hate", "logits").stdout
    assert "no such array" in daemon.run("detach", "hate", "logits").stdout
    assert daemon.run("verify").returncode == 0


def bad_files(hate):
    good = values(hate)
    yield "a.csv", b"a,b\n1,2\n", "not a .npy file"
    yield "empty.npy", b"", "an empty file"
    buffer = io.BytesIO()
    np.savez(buffer, good)
    yield "a.npz", buffer.getvalue(), "an archive"
    yield "a.pkl", pickle.dumps([1, 2]), "a pickle"
    for array, part in [(good.astype("int64"), "dtype <i8"), (good.astype(">f4"), "dtype >f4"),
                        (np.asfortranarray(good), "Fortran order"), (good.reshape(hate, 2, 2), "3 dimensions"),
                        (np.float32(1), "0 dimensions"), (good[:0], "no values"), (good[1:], f"has {hate - 1:,} rows"),
                        (np.array([None] * hate), "dtype |O"), (np.zeros((hate, 4097), "f2"), "at most 4096")]:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=True)
        yield "a.npy", buffer.getvalue(), part.replace(",", "")
    buffer = io.BytesIO()
    np.save(buffer, good)
    yield "short.npy", buffer.getvalue()[:-4], "it holds"
    yield "long.npy", buffer.getvalue() + b"\0\0\0\0", "it holds"


def test_other_files_are_refused_by_what_is_wrong(daemon, hate, tmp_path):
    for name, data, part in bad_files(hate):
        (tmp_path / name).write_bytes(data)
        done = daemon.run("attach", "hate", "logits", tmp_path / name, check=False)
        assert done.returncode == 1 and part in done.stderr, (name, done.stderr)
        assert name in done.stderr or "rows" in done.stderr or "columns" in done.stderr
    assert daemon.json("show", "hate")["arrays"] == []
    for path in (tmp_path / "missing.npy", tmp_path):
        done = daemon.run("attach", "hate", "logits", path, check=False)
        assert done.returncode == 1 and str(path) in done.stderr
    assert daemon.run("attach", "hate", "logits", check=False).returncode == 2
    assert daemon.run("attach", "hate", "logits", "x", "--nan", "zero", check=False).returncode == 2


def test_a_stream_names_what_arrays_there_are(daemon, hate, tmp_path):
    done = daemon.run("stream", "hate", "--arrays", "logits", "--split", "all", check=False)
    assert done.returncode == 1 and 'no array "logits"' in done.stderr and "none" in done.stderr
    daemon.run("attach", "hate", "logits", save(tmp_path / "a.npy", values(hate)))
    done = daemon.run("stream", "hate", "--arrays", "logit", "--split", "all", check=False)
    assert done.returncode == 1 and "it has: logits" in done.stderr
    too_many = ",".join(f"a{i}" for i in range(9))
    assert daemon.run("stream", "hate", "--arrays", too_many, "--split", "all", check=False).returncode == 2
