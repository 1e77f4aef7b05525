# SPDX-License-Identifier: Apache-2.0
"""hsfeed: tokenize once, train many times.

    import hsfeed

    db = hsfeed.connect(start=True)
    ds = db.ingest("hate", "data/HateSpeech.csv", labels=["HateSpeech"], tokenizers="csebuetnlp/banglabert")
    for fold in range(5):
        train, val = ds.loaders(fold=fold, batch_size=32)
        for epoch in range(3):
            for batch in train:
                loss = model(**batch).loss

connect() gives a Database, which ingests and finds Datasets, whose Loaders yield Batches. All errors are
hsfeed.Error. Messages go to the logger "hsfeed"; what was ingested and which defaults were chosen is printed
on stderr, unless quiet=True.
"""

from . import _hsfeed, errors
from ._connect import connect
from ._split import Split
from ._torch import Batch
from .database import Database
from .dataset import Dataset
from .errors import *  # noqa: F403  (each is named in errors.__all__)
from .errors import error_from
from .loader import Loader

_hsfeed.set_error_factory(error_from)

__version__ = _hsfeed.version()

__all__ = ["Batch", "Database", "Dataset", "Loader", "Split", "__version__", "connect", "errors"]
__all__ += [name for name in errors.__all__ if name != "error_from"]
