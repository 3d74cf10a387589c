"""Evaluations made of figures, for what reads them: tables, pages, exports."""

from ttsd.config import parse_config
from ttsd.metrics.comparison import add_similarity
from ttsd.metrics.evaluation import Evaluation
from ttsd.metrics.measurement import Measurement, Sentence
from ttsd.report import StageReport

RECOGNIZER = {"model": "tiny.en", "compute_type": "int8", "beam_size": 5, "language": "en", "faster_whisper": "1"}
RECOGNIZER |= {"ctranslate2": "4", "sha256": "0" * 64}
SPEED = {
    name: {
        "load_s": 1.5,
        "peak_memory_mb": 812.4,
        "n_parameters": 15_651_841,
        "timings": [
            {"rtf": 0.10212, "first_sample_s": 0.4, "n_threads": 1, "n_sentences": 3},
            {"rtf": 0.0571, "first_sample_s": 0.2, "n_threads": 2, "n_sentences": 3},
        ],
    }
    for name in ("student", "start")
}


def make_measurement(errors=0, mcd_db=0.0, voice=0, heard="green planets", **figures):
    """Return a measurement of two words."""
    embedding = None if mcd_db is None else [1.0 if i == voice else 0.1 for i in range(4)]
    differences = [("equal", "green", "green"), ("substitute", "plants", heard.split()[-1])]
    return Measurement(
        duration_s=0.5, heard=heard, word_errors=errors, n_words=2, char_errors=errors, n_chars=12,
        differences=differences, mcd_db=mcd_db, path_stretch=0.1, embedding=embedding,
        **{"dnsmos": 3.0, "distillmos": 4.0, "pause_s": 0.1, "articulation_s": 0.4} | figures,
    )  # fmt: skip


def make_sentence(name, errors=1, mcd_db=5.0, transcript="Green plants.", start=True, written=None, **systems):
    """Return a sentence of teacher, student and start."""
    made = {"teacher": make_measurement(), "student": make_measurement(errors, mcd_db, 1)}
    made |= {"start": make_measurement(1, 9.0, 2)} if start else {}
    return Sentence(name, transcript, written or transcript, made | systems)


def make_report(sentences, speed=None, **settings):
    """Return the report of an evaluation, and the evaluation."""
    config = parse_config({"evaluate": {"n_bootstrap": 100, **settings}}, "test")
    names = [name for name in sentences[0].systems if name != "teacher"]
    roles = {"take2": "take2", "start": "start"}
    systems = [
        {"name": name, "role": roles.get(name, "student"), "is_voice": name != "take2", "sha256": "1" * 64}
        for name in names
    ]
    timed = {name: SPEED["student"] for name in names if name != "take2"} if speed is None else speed
    evaluation = Evaluation(add_similarity(sentences), [("hum", "no_words", "Um <uh>.")], systems, timed)
    details = evaluation.describe(config)
    details["provenance"] = {"recognizer": RECOGNIZER, "mcd_preset": "ttsd-2"}
    report = StageReport(
        stage="evaluate",
        n_in=len(sentences) + 1,
        n_out=len(sentences),
        dropped={"no_words": 1},
        duration_s=245.5,
        config={"evaluate": config.evaluate.model_dump(mode="json")},
        details=details,
    )
    return report, evaluation
