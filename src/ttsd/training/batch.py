"""Utterances as tensors: the dataset only reads, the batch only pads."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ttsd.training.store import AudioStore


@dataclass(frozen=True)
class TrainingUtterance:
    """What training needs of one utterance."""

    id: str
    clip: Path
    symbol_ids: tuple[int, ...]
    n_frames: int
    """Whole frames in the clip."""
    text: str = ""
    """As it is spoken."""


@dataclass
class Batch:
    """Padded utterances."""

    ids: list[str]
    symbol_ids: Tensor
    """int64 [B, max_symbols], padded with 0."""
    symbol_lengths: Tensor
    """int64 [B]."""
    wav: Tensor
    """float32 [B, max_frames * hop_length], padded with 0."""
    frame_lengths: Tensor
    """int64 [B]."""
    f0_hz: Tensor
    """Pitch of every frame in Hz, float32 [B, max_frames], padded with 0, and 0 where no decoder asks for it."""

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch on a device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in moved.items():
            if isinstance(value, Tensor):
                moved[name] = value.to(device, non_blocking=non_blocking)
        return Batch(**moved)


class UtteranceDataset(Dataset[tuple[str, Tensor, Tensor, Tensor]]):
    """Reads one clip at a time; a clip is cut to whole frames."""

    def __init__(self, utterances: Sequence[TrainingUtterance], store: AudioStore, hop_length: int) -> None:
        self.utterances = utterances
        self.store = store
        self.hop_length = hop_length

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.utterances)

    def __getitem__(self, index: int) -> tuple[str, Tensor, Tensor, Tensor]:
        """Return an utterance's id, symbol ids int64 [n_symbols], waveform float32 [n_samples] and pitch [n_frames]."""
        utterance = self.utterances[index]
        wav = self.store.read(utterance.id, utterance.n_frames * self.hop_length)
        f0_hz = self.store.read_pitch(utterance.id, utterance.n_frames)
        return utterance.id, torch.tensor(utterance.symbol_ids), torch.from_numpy(wav), torch.from_numpy(f0_hz)


def collate(items: list[tuple[str, Tensor, Tensor, Tensor]], hop_length: int) -> Batch:
    """Pad utterances into a batch."""
    ids, symbol_ids, wavs, pitches = zip(*items, strict=True)
    return Batch(
        ids=list(ids),
        symbol_ids=torch.nn.utils.rnn.pad_sequence(list(symbol_ids), batch_first=True),
        symbol_lengths=torch.tensor([len(s) for s in symbol_ids]),
        wav=torch.nn.utils.rnn.pad_sequence(list(wavs), batch_first=True),
        frame_lengths=torch.tensor([len(w) // hop_length for w in wavs]),
        f0_hz=torch.nn.utils.rnn.pad_sequence(list(pitches), batch_first=True),
    )
