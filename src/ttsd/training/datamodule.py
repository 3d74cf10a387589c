"""A corpus as training and validation batches."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import lightning
from torch import Tensor
from torch.utils.data import DataLoader

from ttsd.config import Config
from ttsd.data.corpus import Corpus
from ttsd.data.phonemes import phonemize_many
from ttsd.data.split import split_of
from ttsd.data.symbols import SymbolTable
from ttsd.errors import ConfigError
from ttsd.training.batch import Batch, TrainingUtterance, UtteranceDataset, collate
from ttsd.training.sampler import EndlessBatches
from ttsd.training.store import AudioStore, open_store

_N_COMPARED = 10
"""Utterances whose phonemes are made anew, to see whose they are."""
Loader = DataLoader[tuple[str, Tensor, Tensor, Tensor]]
"""Reads single utterances, and yields a `Batch` by its `collate_fn`."""


@dataclass(frozen=True)
class TrainingData:
    """What is trained on and what it is watched by."""

    train: list[TrainingUtterance]
    val: list[TrainingUtterance]
    store: AudioStore

    def validation_batches(self, hop_length: int) -> list[Batch]:
        """Return the validation utterances, one in a batch."""
        dataset = UtteranceDataset(self.val, self.store, hop_length)
        return [collate([dataset[i]], hop_length) for i in range(len(dataset))]


def prepare_data(corpus: Corpus, config: Config, symbols: SymbolTable, cache_dir: Path) -> TrainingData:
    """Prepare the utterances of a corpus for a student's symbols.

    Phonemes that the corpus lacks, decoded clips and their pitch are kept in the cache, by their contents; clips and
    pitch are made by the store's `fill`.

    Args:
        corpus: Clips at `audio.sample_rate`.
        config: Reads `audio`, `language`, `model.decoder` and `split`.
        symbols: The student's.
        cache_dir: Where decoded clips and phonemes are kept.

    Raises:
        ConfigError: espeak-ng has no voice `language`, or the corpus's phonemes are those of another one.
        CorpusError: An utterance holds a phoneme that the student has no symbol for.
    """
    _check_language(corpus, config, cache_dir)
    splits = {u.id: split_of(u, config.split) for u in corpus.utterances}
    wanted = [utterance for utterance in corpus.utterances if splits[utterance.id] != "test"]
    pitched = config.audio if config.model.decoder == "source_filter" else None
    store = open_store(cache_dir, {u.id: corpus.clip_path(u) for u in wanted}, pitched)
    silent = [u for u in wanted if not u.phonemes]
    spoken = phonemize_many([u.spoken for u in silent], config.language, cache_dir) if silent else []
    phonemes = {u.id: u.phonemes or "" for u in wanted} | {u.id: said for u, said in zip(silent, spoken, strict=True)}
    parts: dict[str, list[TrainingUtterance]] = {"train": [], "val": []}
    for utterance in wanted:
        n_frames = store.places[utterance.id][1] // config.audio.hop_length
        symbol_ids = tuple(symbols.encode(phonemes[utterance.id]))
        clip = corpus.clip_path(utterance)
        parts[splits[utterance.id]].append(
            TrainingUtterance(utterance.id, clip, symbol_ids, n_frames, utterance.spoken)
        )
    return TrainingData(parts["train"], parts["val"], store)


def _check_language(corpus: Corpus, config: Config, cache_dir: Path) -> None:
    """See that the student will speak in the phonemes that it is trained on."""
    spoken = [utterance for utterance in corpus.utterances if utterance.phonemes][:_N_COMPARED]
    said = phonemize_many([u.spoken for u in spoken], config.language, cache_dir) if spoken else []
    now = {u.id: phonemes for u, phonemes in zip(spoken, said, strict=True)}
    differing = [u for u in spoken if now[u.id] != u.phonemes]
    # A person may have mended some.
    if len(differing) > len(spoken) / 2:
        one = differing[0]
        raise ConfigError(
            f"language: {corpus.root} has the phonemes of another one than {config.language} ({one.id}: "
            f"{(one.phonemes or '')[:30]}, and now {now[one.id][:30]}); take the language that `preprocess` was run "
            "with, or run it again with this one"
        )


class CorpusDataModule(lightning.LightningDataModule):
    """Endless training batches from a given step on."""

    def __init__(self, data: TrainingData, config: Config, start_step: int) -> None:
        super().__init__()
        self.data = data
        self.config = config
        self.start_step = start_step

    def train_dataloader(self) -> Loader:
        """Return batches without end; the trainer stops by its number of steps."""
        train, hop_length = self.config.train, self.config.audio.hop_length
        lengths = [utterance.n_frames for utterance in self.data.train]
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(
            UtteranceDataset(self.data.train, self.data.store, hop_length),
            batch_sampler=EndlessBatches(
                lengths, train.batch_size, train.batch_frames, self.config.seed, self.start_step, rank, world_size
            ),
            collate_fn=partial(collate, hop_length=hop_length),
            num_workers=train.n_workers,
            persistent_workers=train.n_workers > 0,
            pin_memory=train.accelerator == "gpu",
            multiprocessing_context="spawn" if train.n_workers else None,
        )
