"""A whole corpus measured: in groups over processes, each group once for good."""

import importlib.util
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import soundfile

from ttsd.config import Config
from ttsd.data.corpus import Corpus
from ttsd.metrics.intelligibility import identify_recognizer
from ttsd.metrics.measuring import Candidate, Measurer
from ttsd.report import Progress
from ttsd.utils.cache import Cache
from ttsd.utils.files import sha256_json
from ttsd.utils.parallel import count_workers, map_each

# Counts up where a figure's meaning changes, so that no figure of an earlier ttsd is taken for one of this.
_VERSION = 5
_GROUP = 32
"""Clips heard together; which ones share a window depends on their place in the corpus, never on the workers."""


def has_dnsmos(config: Config) -> bool:
    """Tell whether DNSMOS is asked for and installed; where it is asked for and not installed, it is unmeasured."""
    return config.qc.min_dnsmos is not None and importlib.util.find_spec("speechmos") is not None


def find_sample_rate(corpus: Corpus) -> int:
    """Return the most frequent sample rate of a corpus's clips, in Hz; 0 where none can be read."""
    rates: Counter[int] = Counter()
    for utterance in corpus.utterances:
        try:
            rates[soundfile.info(corpus.clip_path(utterance)).samplerate] += 1
        except (soundfile.SoundFileError, OSError):
            continue  # Rejected with its reason when its turn comes.
    return max(rates, key=lambda rate: (rates[rate], rate)) if rates else 0


def measure_corpus(
    corpus: Corpus, config: Config, cache_dir: Path, sample_rate: int, hashes: Mapping[str, str], progress: Progress
) -> list[dict[str, Any]]:
    """Measure every clip of a corpus; what was measured before is taken from the cache.

    Args:
        corpus: The corpus.
        config: Reads `qc`, `asr`, `audio.hop_length` and `n_workers`.
        cache_dir: Where the results are kept.
        sample_rate: The corpus's, in Hz.
        hashes: SHA-256 of every clip, by its path below the corpus.
        progress: Told how many clips are measured.

    Returns:
        What `metrics.measuring.unpack` reads, for each utterance in order.
    """
    candidates = [Candidate(u, corpus.clip_path(u), corpus.clips[u.id]) for u in corpus.utterances]
    groups = [candidates[start : start + _GROUP] for start in range(0, len(candidates), _GROUP)]
    identity = _identify(config, sample_rate)
    keys = [sha256_json([identity, [_describe(candidate, hashes) for candidate in group]]) for group in groups]
    sizes = {key: len(group) for key, group in zip(keys, groups, strict=True)}
    with Cache(cache_dir) as cache:
        known = cache.read(keys)
        todo = [(key, group) for key, group in zip(keys, groups, strict=True) if key not in known]
        progress(sum(sizes[key] for key in known), len(candidates), "checks")

        def keep(key: str, result: list[dict[str, Any]]) -> None:
            cache.write({key: result})
            known[key] = result
            progress(sum(sizes[key] for key in known), len(candidates), "checks")

        n_workers = min(count_workers(config.n_workers), max(len(todo), 1))
        map_each(_measure, todo, n_workers, keep, _load, (config, sample_rate))
    return [result for key in keys for result in known[key]]


def _identify(config: Config, sample_rate: int) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "sample_rate": sample_rate,
        "silence_db": config.qc.silence_db,
        "hop_length": config.audio.hop_length,
        "asr": identify_recognizer(config.asr) if config.qc.hears else None,
        "dnsmos": has_dnsmos(config),
        "similarity": config.qc.min_similarity is not None,
    }


def _describe(candidate: Candidate, hashes: Mapping[str, str]) -> list[Any]:
    utterance = candidate.utterance
    source = [utterance.qc.get(name) for name in ("source_clipped_samples", "source_rms_db")]
    return [candidate.name, hashes[candidate.name], utterance.spoken, utterance.phonemes, source]


_measurer: Measurer | None = None


def _load(config: Config, sample_rate: int) -> None:
    global _measurer
    _measurer = Measurer(config, sample_rate, has_dnsmos(config))


def _measure(group: list[Candidate]) -> list[dict[str, Any]]:
    if _measurer is None:
        raise RuntimeError("_load runs before _measure in every worker")
    return _measurer.measure(group)
