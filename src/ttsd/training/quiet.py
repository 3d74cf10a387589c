"""Lightning without its notes on devices and loggers, which a user of ttsd cannot act on."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Leave out, for the length of a block, what Lightning says and is no mistake."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Lightning against its own torch version; and advice on workers, which are the user's setting.
        warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", "The 'train_dataloader' does not have many workers")
        yield
