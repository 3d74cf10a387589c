"""How many cuts of a bought paragraph fall inside the true pause, on paragraphs whose pauses are known.

python benchmarks/cut_accuracy.py [N_PARAGRAPHS [CACHE]]
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.provider.speech import ParagraphSpeaker, SpokenParagraph
from ttsd.config import CutConfig, VerbatimConfig
from ttsd.data.cutting import CharacterTimes, Cut, cut_take
from ttsd.data.sentences import split_sentences
from ttsd.transcripts.markdown import find_guides, read_guide
from ttsd.transcripts.verbatim import write_transcripts

GUIDES = Path(__file__).resolve().parents[1] / "examples" / "study_guides"
N_PARAGRAPHS = 500
N_SENTENCES = (2, 6)
RATES = (16000, 22050, 24000, 44100, 48000)


def build_paragraphs(n_paragraphs: int) -> Iterator[list[str]]:
    """Yield sentences that stand together in a guide, and as often sentences of anywhere."""
    rng = np.random.default_rng(0)
    sentences = []
    for number, path in enumerate(find_guides(GUIDES)):
        for utterance in write_transcripts(read_guide(path, GUIDES), VerbatimConfig(), number).utterances:
            # The pauses are known between sentences only: no piece of one, no two in one utterance.
            if utterance.transcript[-1] in ".!?" and len(split_sentences(utterance.transcript)) == 1:
                sentences.append(utterance.transcript)
    n_built = 0
    while n_built < n_paragraphs:
        n = int(rng.integers(N_SENTENCES[0], N_SENTENCES[1] + 1))
        first = int(rng.integers(len(sentences) - n))
        texts = sentences[first : first + n] if n_built % 2 else [str(text) for text in rng.choice(sentences, n, False)]
        if split_sentences(" ".join(texts)) == texts:
            n_built += 1
            yield texts


def cut_spoken(spoken: SpokenParagraph) -> list[Cut]:
    times = CharacterTimes(tuple(spoken.characters), tuple(spoken.starts_s), tuple(spoken.ends_s))
    wav = spoken.wav.astype(np.float32) / np.float32(32768)
    return cut_take(wav, spoken.sample_rate, spoken.sentences, times, CutConfig())


def main() -> None:
    n_paragraphs = int(sys.argv[1]) if len(sys.argv) > 1 else N_PARAGRAPHS
    speaker = ParagraphSpeaker(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    n_cuts = n_inside = n_in_speech = n_clips = 0
    rejected: Counter[str] = Counter()
    for number, texts in enumerate(build_paragraphs(n_paragraphs)):
        spoken = speaker.speak(" ".join(texts), sample_rate=RATES[number % len(RATES)], seed=number)
        cuts = cut_spoken(spoken)
        n_clips += len(cuts)
        rejected.update(cut.reason for cut in cuts if cut.reason)
        for cut, (start_s, end_s) in zip(cuts[:-1], spoken.pauses_s, strict=True):
            n_cuts += 1
            n_inside += start_s <= cut.end / spoken.sample_rate <= end_s
        for cut in cuts:
            if not cut.reason:
                edges_s = cut.start / spoken.sample_rate, cut.end / spoken.sample_rate
                n_in_speech += any(start < edge < end for edge in edges_s for start, end in spoken.sounds_s)
    print(f"paragraphs                        {n_paragraphs}")
    print(f"cuts                              {n_cuts}")
    print(f"inside the true pause             {100 * n_inside / n_cuts:.2f} %")
    print(f"clips kept                        {n_clips - rejected.total()} of {n_clips}")
    print(f"  of them start or end in speech  {n_in_speech}")
    for reason, n in rejected.most_common():
        print(f"rejected: {reason:<22}  {n}")


if __name__ == "__main__":
    main()
