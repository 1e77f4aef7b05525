# SPDX-License-Identifier: Apache-2.0
"""Token ids and resolved settings beside Hugging Face `tokenizers`."""
import json
import os
import random
import string
import sys

import pytest

from tok_common import ROOT, dump, first_difference, shared

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402

FOLDERS = ["banglabert", "mbert-cased", "bert-uncased", "mbert-uncased"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

ROUNDS = int(os.environ.get("HSFEED_TEST_ROUNDS", "1"))  # more of what is drawn at random


def load(folder):
    tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tok.no_truncation()
    tok.no_padding()
    return tok


def ids_of(tok, texts):
    return [e.ids for e in tok.encode_batch_fast(texts, add_special_tokens=False)]


def agree(folder, tok, texts):
    (info, ids), = dump([(folder, texts)])
    assert ids is not None, info
    assert first_difference(texts, ids, ids_of(tok, texts)) is None
    return info


def every_char():
    """Each code point alone, in a word and between blanks."""
    for cp in range(0x110000):
        if not 0xD800 <= cp < 0xE000:
            c = chr(cp)
            yield f"{c} a{c}b {c}{c}"


def file_texts(path):
    """The raw lines; blackbox/test_real_data.py has the cells, as pandas reads them."""
    return list(dict.fromkeys(path.read_bytes().decode("utf-8", errors="replace").split("\n")))


@pytest.mark.parametrize("name", FOLDERS)
def test_ids_equal_hf_on_every_line_of_every_file(name):
    folder = shared("data", "tokenizers", name)
    tok = load(folder)
    for path in sorted(shared("data", "csv").iterdir()):
        texts = file_texts(path)
        if name.endswith("uncased") and ROUNDS == 1:
            texts = texts[::8]  # blackbox/test_real_data.py has all rows with every tokenizer
        (_, ids), = dump([(folder, texts)])
        assert first_difference(texts, ids, ids_of(tok, texts)) is None, path.name


@pytest.mark.parametrize("name", FOLDERS)
def test_ids_equal_hf_on_every_code_point(name):
    folder = shared("data", "tokenizers", name)
    agree(folder, load(folder), list(every_char()))


def test_ids_equal_the_golden_cases():
    golden = json.loads(shared("golden", "bert_tokenizer.json").read_text(encoding="utf-8"))
    names = {"banglabert": "banglabert", "bert-base-multilingual-cased": "mbert-cased",
             "bert-base-uncased": "bert-uncased", "bert-base-multilingual-uncased": "mbert-uncased"}
    texts = [case["text"] for case in golden["cases"]]
    for theirs, ours in names.items():
        (info, ids), = dump([(shared("data", "tokenizers", ours), texts)])
        whole = [info["prefix"] + i + info["suffix"] for i in ids]
        assert first_difference(texts, whole, [case["ids"][theirs] for case in golden["cases"]]) is None


def tokenizer_json(vocab, normalizer, added=(), prefix="##", limit=100, post=None):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added),
            "normalizer": normalizer, "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": post,
            "decoder": None,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": prefix,
                      "max_input_chars_per_word": limit, "vocab": vocab}}


def added(content, id=0, **flags):
    token = dict(id=id, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    token.update(flags)
    return token


def folder_of(tmp_path, number, tok_json, **files):
    folder = tmp_path / str(number)
    folder.mkdir()
    if tok_json is not None:
        (folder / "tokenizer.json").write_text(json.dumps(tok_json), encoding="utf-8")
    for name, value in files.items():
        stem, _, suffix = name.rpartition("_")
        data = value if isinstance(value, (bytes, str)) else json.dumps(value)
        (folder / f"{stem}.{suffix}").write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
    return folder


def test_ids_equal_the_golden_tiny_tokenizers(tmp_path):
    golden = json.loads(shared("golden", "bert_tokenizer.json").read_text(encoding="utf-8"))
    vocab = {token: i for i, token in enumerate(golden["tiny_vocab"])}
    post = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    jobs = []
    for i, case in enumerate(golden["tiny"]):
        tokens = [added(s, vocab[s], special=True) for s in SPECIALS]
        tokens += [added(**{"id": 0, **token}) for token in case["added"]]
        jobs.append((folder_of(tmp_path, i, tokenizer_json(vocab, case["normalizer"], tokens, post=post)),
                     case["texts"]))
    for case, (info, ids) in zip(golden["tiny"], dump(jobs)):
        whole = [info["prefix"] + i + info["suffix"] for i in ids]
        assert first_difference(case["texts"], whole, case["ids"]) is None, case["added"]


ODD = ("\u0301\u0323\u0327\u0345\u093c\u09cd\u09bc\u0f71\u0f72\u302e\u302f\U0001d165\U0001d16d\ua9c0\u1b44"
       "\u08d4\u1dfb\U0001e000\U0001e944\u200c\u200d\u200b\ufeff\u00ad\u0085\u2028\u3000\u00a0\t\n\r\x0b\x0c\x1c\0"
       "\ufffd"
       "中文\u4dbf\u4dc0\uf900\ufa0e\U00020000\U0002b820\U0002b920\U0002f800가힣각\u1100\u1161\u11a8"
       "éÉÅåñÑüÜßẞİıŞşǅΣσςΆ\u212b\u0344\u0390\u1fef\u2126\u037e\u0958কখগঁংঃািীুূৃেৈোৌ্ৎড়ঢ়য়।॥৳"
       "😀👩\u200d👧🏽\u0378\U0010ffff\ue000\U000e0001.,!?-_[]#$+<=>^`|~'\"")


def random_text(rng, extra=()):
    pieces = []
    for _ in range(rng.randrange(0, 14)):
        kind = rng.randrange(9)
        if kind == 0:
            pieces.append(rng.choice(SPECIALS + list(extra)))
        elif kind == 1:
            pieces.append(rng.choice("abcXYZ0é") * rng.choice([1, 2, 99, 100, 101, 102]))
        elif kind <= 3:
            pieces.append("".join(rng.choice(string.ascii_letters + string.digits) for _ in range(rng.randrange(1, 9))))
        elif kind == 4:
            cp = rng.randrange(0x110000)
            pieces.append(chr(cp) if not 0xD800 <= cp < 0xE000 else " ")
        elif kind == 5:
            pieces.append("".join(chr(rng.randrange(0x980, 0xA00)) for _ in range(rng.randrange(1, 8))))
        elif kind == 6:
            pieces.append(" " * rng.randrange(1, 3))
        else:
            pieces.append("".join(rng.choice(ODD) for _ in range(rng.randrange(1, 7))))
    return "".join(pieces)


@pytest.mark.parametrize("name", FOLDERS)
def test_ids_equal_hf_on_generated_texts(name):
    rng = random.Random(name)
    folder = shared("data", "tokenizers", name)
    agree(folder, load(folder), [random_text(rng) for _ in range(6000 * ROUNDS)])


def random_vocab(rng):
    letters = [c for c in ODD if c.strip() and c != "\0"] + list("abcdeABC012")
    words = {"".join(rng.choice(letters) for _ in range(rng.choice([1, 1, 2, 2, 3, 5])))
             for _ in range(rng.randrange(1, 300))}
    prefix = rng.choice(["##", "##", "##", "", "_", "ab", "é"])
    words |= {prefix + w for w in sorted(words) if rng.random() < 0.5} | {prefix}
    listed = sorted(words | set(rng.sample(SPECIALS, rng.randrange(0, 6))) | {"[UNK]"})
    rng.shuffle(listed)
    if rng.random() < 0.5:
        return {w: i for i, w in enumerate(listed)}, prefix
    return dict(zip(listed, rng.sample(range(5000), len(listed)))), prefix


def random_added(rng, vocab):
    pool = ["<user>", "<USER>x", "<u", "url", "URLs", "नया", "É", "é\u0323", "  ", " a", "-", "中", "[new]", "ab",
            "a\u200db", "ক্", "x y"] + rng.sample(sorted(vocab), min(len(vocab), 3))
    flag = lambda p: rng.random() < p  # noqa: E731
    chosen = [t for t in rng.sample(pool, rng.randrange(0, 6)) if t]
    return [added(s, special=True) for s in SPECIALS if flag(0.7)] + \
           [added(t, single_word=flag(0.3), lstrip=flag(0.3), rstrip=flag(0.3), normalized=flag(0.4), special=flag(0.3))
            for t in chosen]


def normalizes_apart(tok_json, tok):
    """Whether added tokens are apart: two of one id, or of one normalized form, or an empty one, leave all open."""
    ids = list(tok.get_added_tokens_decoder())
    if len(ids) != len(tok_json["added_tokens"]):
        return False
    texts = [t["content"] if not t["normalized"] or not tok.normalizer else tok.normalizer.normalize_str(t["content"])
             for t in tok_json["added_tokens"] if t["normalized"]]
    return len(set(texts)) == len(texts) and "" not in texts


def random_tokenizer(rng):
    vocab, prefix = random_vocab(rng)
    flag = lambda p=0.5: rng.random() < p  # noqa: E731
    normalizer = {"type": "BertNormalizer", "clean_text": flag(0.7), "handle_chinese_chars": flag(),
                  "strip_accents": rng.choice([None, True, False]), "lowercase": flag()}
    return tokenizer_json(vocab, rng.choice([normalizer] * 9 + [None]), random_added(rng, vocab), prefix,
                          rng.choice([100, 100, 100, 0, 1, 3, 101]))


@pytest.mark.parametrize("seed", range(4 * ROUNDS))
def test_ids_equal_hf_with_random_vocabularies_options_and_added_tokens(seed, tmp_path):
    rng = random.Random(seed)
    jobs, wanted = [], []
    while len(jobs) < 60:
        tok_json = random_tokenizer(rng)
        tok = Tokenizer.from_str(json.dumps(tok_json))
        if not normalizes_apart(tok_json, tok):
            continue
        extra = [t["content"] for t in tok_json["added_tokens"]] + list(tok_json["model"]["vocab"])[:20]
        texts = [random_text(rng, extra) for _ in range(150)]
        jobs.append((folder_of(tmp_path, len(jobs), tok_json), texts))
        wanted.append(ids_of(tok, texts))
    for (folder, texts), (info, ids), want in zip(jobs, dump(jobs), wanted):
        assert ids is not None, info
        assert first_difference(texts, ids, want) is None, (folder / "tokenizer.json").read_text()[:2000]


def test_the_character_tables_are_what_the_library_does():
    sys.path.insert(0, str(ROOT / "daemon" / "tok"))
    import make_bert_tables
    written = (ROOT / "daemon" / "tok" / "bert_tables.inc").read_text(encoding="utf-8")
    if f"tokenizers {tokenizers.__version__} " not in written:
        pytest.skip(f"the tables were measured on another version than {tokenizers.__version__}")
    tables = make_bert_tables.measure()
    assert make_bert_tables.render(tables) == written
    golden = json.loads(shared("golden", "tables", "bert_char_tables.json").read_text())
    for theirs, ours in (("clean_removed", "removed"), ("clean_to_space", "spaced"), ("cjk_spaced", "cjk"),
                         ("pretok_whitespace", "space"), ("pretok_punct", "punct")):
        want = {cp for a, b in golden[theirs] for cp in range(a, b + 1) if not 0xD800 <= cp < 0xE000}
        assert want == set(tables[ours]), theirs
    assert {int(k, 16): v for k, v in golden["nfd"].items()} == tables["nfd"]
    assert {int(k, 16): v for k, v in golden["lower_0232"].items()} == tables["lower"]
