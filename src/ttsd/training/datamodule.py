"""A corpus as training and validation batches."""

from functools import partial

import lightning
from torch import Tensor
from torch.utils.data import DataLoader

from ttsd.config import Config
from ttsd.data.corpus import Corpus, Utterance
from ttsd.data.phonemes import phonemize
from ttsd.data.split import split_of
from ttsd.data.symbols import SymbolTable
from ttsd.errors import CorpusError
from ttsd.training.batch import Batch, TrainingUtterance, UtteranceDataset, collate
from ttsd.training.sampler import EndlessBatches

Loader = DataLoader[tuple[str, Tensor, Tensor]]
"""Reads single utterances, and yields a `Batch` by its `collate_fn`."""


def select_utterances(corpus: Corpus, split: str, config: Config, symbols: SymbolTable) -> list[TrainingUtterance]:
    """Prepare the utterances of one split.

    Raises:
        CorpusError: An utterance holds a phoneme the student has no symbol for, or is too short for its text.
    """
    import soundfile

    prepared = []
    for utterance in corpus.utterances:
        if split_of(utterance, config.split) != split:
            continue
        clip = corpus.clip_path(utterance)
        n_frames = soundfile.info(clip).frames // config.audio.hop_length
        symbol_ids = tuple(symbols.encode(_phonemes(utterance, config.language)))
        # Alignment gives every symbol at least one frame.
        if len(symbol_ids) > n_frames or n_frames < config.train.segment_frames:
            raise CorpusError(
                f"{clip}: {utterance.id} has {n_frames} frames for {len(symbol_ids)} symbols, and a segment takes "
                f"{config.train.segment_frames}; delete its row or raise qc.min_duration_s"
            )
        prepared.append(TrainingUtterance(utterance.id, clip, symbol_ids, n_frames))
    return prepared


def _phonemes(utterance: Utterance, language: str) -> str:
    return utterance.phonemes or phonemize(utterance.spoken, language)


class CorpusDataModule(lightning.LightningDataModule):
    """Endless training batches from a given step on, and one pass of validation batches."""

    def __init__(
        self, train: list[TrainingUtterance], val: list[TrainingUtterance], config: Config, start_step: int
    ) -> None:
        super().__init__()
        self.train = train
        self.val = val
        self.config = config
        self.start_step = start_step

    def train_dataloader(self) -> Loader:
        """Return batches without end; the trainer stops by its number of steps."""
        train, hop_length = self.config.train, self.config.audio.hop_length
        lengths = [utterance.n_frames for utterance in self.train]
        return DataLoader(
            UtteranceDataset(self.train, hop_length),
            batch_sampler=EndlessBatches(lengths, train.batch_size, self.config.seed, self.start_step),
            collate_fn=partial(collate, hop_length=hop_length),
            num_workers=train.n_workers,
            persistent_workers=train.n_workers > 0,
            pin_memory=train.accelerator == "gpu",
            multiprocessing_context="spawn" if train.n_workers else None,
        )

    def validation_batches(self) -> list[Batch]:
        """Return the validation utterances one at a time; the checkpoints' callback goes through them by itself."""
        hop_length = self.config.audio.hop_length
        dataset = UtteranceDataset(self.val, hop_length)
        return [collate([dataset[i]], hop_length) for i in range(len(dataset))]
