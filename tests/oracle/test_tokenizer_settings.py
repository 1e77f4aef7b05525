# SPDX-License-Identifier: Apache-2.0
"""Which file's setting wins: folders with random side files, beside transformers' AutoTokenizer (fast, 4.x)."""
import json
import random

import pytest

from test_tokenizers import SPECIALS, added, folder_of, tokenizer_json
from tok_common import dump, first_difference

transformers = pytest.importorskip("transformers", reason="transformers 4 is not installed")
if not transformers.__version__.startswith("4."):
    pytest.skip("the settings are transformers 4's", allow_module_level=True)

WORDS = ["a", "A", "b", "##b", "é", "e", "É", "中", "文", "中文", "##文", "x", "##x", "<m>", "<x>", "the", "The", ".", "<"]
TEXTS = ["A a é É e\u0301 ab AB", "中文 a中b 文中文", "The the <m><x> [MASK][SEP] [mask] <y>", "x  <x> x . <", "[PAD]a[UNK]b"]


def random_config(rng):
    config = {}
    for key in ("do_lower_case", "tokenize_chinese_chars"):
        if rng.random() < 0.6:
            config[key] = rng.random() < 0.5
    if rng.random() < 0.6:
        config["strip_accents"] = rng.choice([None, True, False])
    if rng.random() < 0.8:
        config["tokenizer_class"] = rng.choice(["BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer",
                                                "ElectraTokenizer", "PreTrainedTokenizerFast"])
    if rng.random() < 0.4:
        config["model_max_length"] = rng.choice([512, 128, int(1e30)])
    for side in ("padding_side", "truncation_side"):
        if rng.random() < 0.3:
            config[side] = rng.choice(["left", "right"])
    if rng.random() < 0.3:
        config["mask_token"] = rng.choice(["<m>", "<y>", "[MASK]"])
    if rng.random() < 0.3:
        config["additional_special_tokens"] = rng.sample(["<x>", "<y>", "<z>"], 2)
    if rng.random() < 0.3:
        config["added_tokens_decoder"] = {
            str(i): {**added(t, special=rng.random() < 0.5, lstrip=rng.random() < 0.5)} for i, t in
            enumerate(rng.sample(["<x>", "<y>", "the", "é"], 2), 60)}
        for token in config["added_tokens_decoder"].values():
            token.pop("id")
    return config


def random_folder(rng, tmp_path, number):
    vocab = {w: i for i, w in enumerate(SPECIALS + rng.sample(WORDS, len(WORDS)))}
    files = {}
    if rng.random() < 0.8:
        files["tokenizer_config_json"] = random_config(rng)
    if rng.random() < 0.4:
        files["special_tokens_map_json"] = {"pad_token": rng.choice(["[PAD]", "x"]), "unk_token": "[UNK]"}
    files["config_json"] = {"model_type": rng.choice(["bert", "distilbert", "electra"])}
    tok_json = None
    if rng.random() < 0.5 and "tokenizer_config_json" in files:
        normalizer = {"type": "BertNormalizer", "clean_text": rng.random() < 0.5,
                      "handle_chinese_chars": rng.random() < 0.5, "strip_accents": rng.choice([None, True, False]),
                      "lowercase": rng.random() < 0.5}
        listed = [added(s, vocab[s], special=True) for s in SPECIALS if rng.random() < 0.8]
        post = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
        tok_json = tokenizer_json(vocab, normalizer, listed, post=post)
    else:
        files.get("tokenizer_config_json", {}).pop("tokenizer_class", None)
        files["vocab_txt"] = "".join(w + "\n" for w in vocab)
    return folder_of(tmp_path, number, tok_json, **files)


@pytest.mark.parametrize("seed", range(4))
def test_settings_resolve_as_transformers_does(seed, tmp_path):
    rng = random.Random(seed)
    folders = [random_folder(rng, tmp_path, i) for i in range(60)]
    for folder, (info, ids) in zip(folders, dump([(f, TEXTS) for f in folders])):
        assert ids is not None, info
        tok = transformers.AutoTokenizer.from_pretrained(str(folder))
        shown = {p.name: p.read_text()[-1500:] for p in folder.iterdir()}
        want = [tok(t, add_special_tokens=False)["input_ids"] for t in TEXTS]
        assert first_difference(TEXTS, ids, want) is None, (shown, info)
        whole = tok("a")["input_ids"]
        assert info["prefix"] + [i for i in dump([(folder, ["a"])])[0][1][0]] + info["suffix"] == whole, (shown, info)
        for name in ("pad", "mask", "cls", "sep", "unk"):
            theirs = getattr(tok, name + "_token_id")
            if theirs is None and name == "unk":  # the model has one all the same
                continue
            assert info[name] == (-1 if theirs is None else theirs), (name, shown, info)
        assert info["pad_left"] == (tok.padding_side == "left")
        assert info["truncate_left"] == (tok.truncation_side == "left")
        assert info["model_max_length"] == (tok.model_max_length if tok.model_max_length < 1e9 else 0)
