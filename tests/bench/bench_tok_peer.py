#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_tok_peer.py BENCH_TOK TOKENIZER_DIR CSV COLUMN: bench_tok and HF tokenizers on one column, one thread each."""
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import pandas  # noqa: E402
import tokenizers  # noqa: E402

RUNS = 3


def peer(folder, texts):
    tok = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tok.no_truncation()
    tok.no_padding()
    took, ntokens = [], 0
    for _ in range(RUNS):
        start = time.thread_time()
        ntokens = sum(len(e) for e in tok.encode_batch_fast(texts, add_special_tokens=False))
        took.append(time.thread_time() - start)
    seconds = statistics.median(took)
    size = sum(len(t.encode("utf-8")) for t in texts)
    return {"tokenizer": folder, "library": f"tokenizers {tokenizers.__version__}", "texts": len(texts), "bytes": size,
            "tokens": ntokens, "texts_per_s": round(len(texts) / seconds), "mb_per_s": round(size / seconds / 1e6, 1)}


def main():
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    bench, folder, path, column = sys.argv[1:]
    ours = json.loads(subprocess.run([bench, folder, path, column], check=True, capture_output=True).stdout)
    frame = pandas.read_csv(path, sep="\t" if path.endswith(".tsv") else ",", keep_default_na=False)
    theirs = peer(folder, frame[column].astype(str).tolist())
    print(json.dumps(ours))
    print(json.dumps(theirs))
    print(json.dumps({"ratio": round(ours["texts_per_s"] / theirs["texts_per_s"], 1),
                      "same_tokens": ours["tokens"] == theirs["tokens"]}))


if __name__ == "__main__":
    main()
