"""How much a voice sounds like the teacher's, by Resemblyzer's speaker embeddings.

The reference of sentence i is the centroid of the teacher's *other* sentences: the mean of their unit embeddings,
brought to unit length. The similarity of a system at sentence i is the cosine between its embedding of that sentence
and this centroid. Teacher, student and starting voice so meet the same reference, none of them its own clip, and the
teacher's own figure is the ceiling. Source: Wan et al., Generalized end-to-end loss for speaker verification (2018),
for the embedding and the leave-one-out centroid.
"""

import functools
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import resample
from ttsd.errors import CorpusError
from ttsd.utils.extras import require

ENCODER_SAMPLE_RATE = 16000
"""Sample rate that the encoder hears, in Hz."""
LEVEL_DB = -25.0
"""Root mean square that every clip is brought to, in dB of full scale; about that of speech at -23 LUFS."""
Vectors = NDArray[np.float32]


class VoiceEmbedder:
    """Resemblyzer's speaker encoder on the CPU, with the weights of its own wheel.

    Raises:
        MissingExtraError: Resemblyzer is not installed.
    """

    def __init__(self) -> None:
        resemblyzer = _import_resemblyzer()
        self._encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)
        self._preprocess = resemblyzer.preprocess_wav

    def embed(self, wav: NDArray[np.float32], sample_rate: int) -> Vectors | None:
        """Describe the voice of a clip; its loudness and its long silences do not matter.

        Args:
            wav: Waveform, float32 [n_samples] in [-1, 1].
            sample_rate: In Hz.

        Returns:
            Unit vector, float32 [256], or none where no speech is found in the clip.
        """
        if wav.size < sample_rate // 10 or not wav.any():
            return None
        heard = self._preprocess(set_level(resample(wav, sample_rate, ENCODER_SAMPLE_RATE)))
        return None if heard.size == 0 else np.asarray(self._encoder.embed_utterance(heard), dtype=np.float32)


def set_level(wav: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring a clip to `LEVEL_DB`: the encoder hears linear spectra, and a third of the loudness is another voice to it.

    Args:
        wav: Waveform, float32 [n_samples], not all zero; peaks that would pass full scale are cut.
    """
    rms = float(np.sqrt(np.mean(np.square(wav, dtype=np.float64))))
    return np.asarray(np.clip(wav * (10 ** (LEVEL_DB / 20) / rms), -1, 1), dtype=np.float32)


def similarities(teacher: Vectors, system: Vectors) -> NDArray[np.float64]:
    """Compare a system's sentences with the centroid of the teacher's other sentences.

    Args:
        teacher: The teacher's embeddings, float32 [n_sentences, 256].
        system: The system's embeddings of the same sentences in the same order; the teacher's own for its ceiling.

    Returns:
        Cosines, float64 [n_sentences] in [-1, 1]; sentence i meets the teacher's centroid without sentence i.

    Raises:
        CorpusError: There are fewer than two sentences, so no centroid without the sentence itself.
    """
    if len(teacher) < 2:
        raise CorpusError("one sentence tells nothing of a voice's similarity to itself; evaluate two or more")
    others = teacher.sum(axis=0, dtype=np.float64) - teacher
    centroids = others / np.linalg.norm(others, axis=1, keepdims=True)
    unit = system / np.linalg.norm(system.astype(np.float64), axis=1, keepdims=True)
    return np.asarray((centroids * unit).sum(axis=1))


def rank_among_pairs(teacher: Vectors, system: Vectors) -> NDArray[np.float64]:
    """Tell where a system's likeness to the teacher lies among the teacher's likeness to itself.

    A cosine by itself says little: its scale belongs to the encoder and to the voice. Here every clip of the system is
    paired with the teacher's clips of the other sentences, and so is every clip of the teacher.

    Args:
        teacher: The teacher's embeddings, float32 [n_sentences, 256].
        system: The system's embeddings of the same sentences in the same order.

    Returns:
        By sentence, the mean share of the teacher's own pairs that are less alike than the system's, float64
        [n_sentences] in [0, 1]; the teacher itself has 0.5, and another voice about 0. Ties count half.

    Raises:
        CorpusError: There are fewer than two sentences, so no pairs.
    """
    if len(teacher) < 2:
        raise CorpusError("one sentence has no pairs; evaluate two or more")
    own, other = (part / np.linalg.norm(part.astype(np.float64), axis=1, keepdims=True) for part in (teacher, system))
    apart = ~np.eye(len(teacher), dtype=bool)
    pairs = np.sort((own @ own.T)[np.triu_indices(len(own), 1)])
    cosines = (other @ own.T)[apart].reshape(len(teacher), -1)
    below, upto = (np.searchsorted(pairs, cosines, side=side) for side in ("left", "right"))
    return np.asarray(((below + upto) / (2 * len(pairs))).mean(axis=1))


@functools.lru_cache(maxsize=1)
def _import_resemblyzer() -> Any:
    with warnings.catch_warnings():
        # Its imports are of their time: an old name of scipy's, and pkg_resources by way of webrtcvad.
        warnings.filterwarnings("ignore", message=r"[\s\S]*scipy\.ndimage", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        warnings.filterwarnings("ignore", message="Deprecated call to `pkg_resources", category=DeprecationWarning)
        return require("evaluate", "resemblyzer")
