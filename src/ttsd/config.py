"""Every setting of ttsd: its default, unit, bounds and meaning.

Defaults live here; a YAML file holds only what differs; `--set a.b=c` is laid over both, and the whole tree is
validated once. Keys and secrets are never settings: they come from the environment alone.
"""

import copy
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ttsd.errors import ConfigError
from ttsd.utils.secrets import SECRETS_CURE, names_secret

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
# YAML reads a bare `on` or `off` as a truth value.
Switch = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(lambda value: ("on" if value else "off") if isinstance(value, bool) else value),
]
# One of them needs no brackets.
_OneOrMore = BeforeValidator(lambda value: (value,) if isinstance(value, str | Path) else value)


class Settings(BaseModel):
    """A section of the settings: unknown keys are refused, values cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class PathsConfig(Settings):
    """Where the stages read and write when no directory is given on the command line."""

    markdown: Path = Path("output")
    """Folder of Markdown study guides that `generate` reads, and of recordings beside them that `ingest` reads."""
    transcripts: Path = Path("datasets/transcripts")
    """What Gemini wrote, a text file a section; they may be edited, and are never written twice."""
    takes: Path = Path("datasets/takes")
    """Speech that was paid for, and the ledger of it; shared by every corpus, never removed by a stage."""
    decisions: Path | None = None
    """Where a person overrules `qc`, by lines such as `keep ID`; none means `decisions.txt` beside the output."""
    cache: Path | None = None
    """What was phonemized and measured, by content; none means `cache` beside the output. Losing it costs time."""
    raw: Path = Path("datasets/raw")
    """Corpus that `generate` or `ingest` writes and `preprocess` reads."""
    processed: Path = Path("datasets/processed")
    """Corpus that `preprocess` writes and `qc` reads."""
    curated: Path = Path("datasets/curated")
    """Corpus that `qc` writes and `train` reads."""
    run: Path = Path("checkpoints/run")
    """Run directory that `train` writes."""
    evaluation: Path | None = None
    """Directory that `evaluate` writes its report into; none means `evaluation` beside the checkpoint."""


class AudioConfig(Settings):
    """The one definition of samples and frames, shared by every stage."""

    sample_rate: Literal[16000, 22050, 24000] = 22050
    """Samples per second of the processed corpus and of the student, in Hz."""
    n_fft: Count = 1024
    """Length of the Fourier transform, in samples."""
    win_length: Count = 1024
    """Length of the analysis window, in samples; at most `n_fft`."""
    hop_length: Count = 256
    """Samples between successive frames; the product of the decoder's upsampling rates."""
    n_mels: Count = 80
    """Bands of the log-mel spectrogram."""
    f_min: NonNegative = 0.0
    """Lower edge of the lowest mel band, in Hz."""
    f_max: Positive | None = None
    """Upper edge of the highest mel band, in Hz; none means half the sample rate."""

    @model_validator(mode="after")
    def _consistent(self) -> "AudioConfig":
        if self.win_length > self.n_fft:
            raise ValueError(f"audio.win_length ({self.win_length}) is above audio.n_fft ({self.n_fft})")
        if self.f_max is not None and self.f_max > self.sample_rate / 2:
            raise ValueError(f"audio.f_max ({self.f_max}) is above half of audio.sample_rate ({self.sample_rate})")
        return self


class SplitConfig(Settings):
    """Which utterances are kept from training; decided by a hash of their source section."""

    val_fraction: Fraction = 0.03
    """Share of the sections used to watch the training."""
    test_fraction: Fraction = 0.15
    """Share of the sections that only `evaluate` uses."""

    @model_validator(mode="after")
    def _leaves_training_data(self) -> "SplitConfig":
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError("split.val_fraction and split.test_fraction together leave nothing to train on")
        return self


class PicoConfig(Settings):
    """SVOX Pico: small local voices that give audio and nothing else."""

    voice: Literal["en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT"] = "en-US"
    """Voice, by its language."""
    speed: Annotated[float, Field(ge=0.2, le=5)] = 1.0
    """Speaking rate; 1 is the voice's own."""
    pitch: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    """Pitch; 1 is the voice's own."""


class PiperConfig(Settings):
    """Piper: local VITS voices in ONNX files, which also give phoneme ids and durations."""

    voice: str = "joe"
    """`joe` for the packaged voice, or the path of a Piper voice's `.onnx` file with its `.onnx.json` beside it."""
    noise_scale: NonNegative = 0.667
    """Standard deviation of the noise in the latents; 0 makes the voice a function of its text."""
    noise_scale_duration: NonNegative = 0.8
    """Standard deviation of the noise in the durations; 0 makes them a function of the text."""
    length_scale: Positive = 1.0
    """Stretch of the durations; above 1 is slower."""
    speaker_id: Annotated[int, Field(ge=0)] = 0
    """Speaker of a voice that has several."""


class VerbatimConfig(Settings):
    """The local writer of transcripts: the guide's own sentences, no paraphrase."""

    max_chars: Annotated[int, Field(ge=20)] = 200
    """Longest utterance, in characters; longer sentences are cut at clauses."""
    min_chars: Annotated[int, Field(ge=1)] = 12
    """Shorter sentences are joined to their neighbour in the same section."""
    scripts: tuple[str, ...] = ("LATIN", "GREEK")
    """Scripts that are read, by the first word of Unicode's names; `generate` and `synth` leave out others."""


class GeminiConfig(Settings):
    """Gemini: transcripts in spoken English, one request a section."""

    model: str = "gemini-3.8-flash"
    """Model, by its full name: aliases change their meaning."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.2
    """Freedom of the wording; 0 takes the likeliest."""
    max_output_tokens: Count = 16384
    """Longest answer, in tokens."""
    max_section_chars: Annotated[int, Field(ge=500)] = 12000
    """Longer sections are written in several requests, cut between paragraphs; in characters of Markdown."""
    requests_per_min: Count = 150
    """Limit of the account for this model (RPM)."""
    tokens_per_min: Count = 1_000_000
    """Limit of the account for this model, in tokens of input (TPM)."""
    n_concurrent: Annotated[int, Field(ge=1, le=64)] = 8
    """Sections in flight."""
    timeout_s: Positive = 120.0
    """Longest wait for an answer, in seconds."""
    base_url: str | None = None
    """Address of the service; none takes Google's own."""


class ElevenLabsConfig(Settings):
    """ElevenLabs: bought speech, a paragraph a request, with the time of every character."""

    voice: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    """Id of the voice, as the account lists it."""
    model: str = "eleven_multilingual_v2"
    """Model."""
    output_format: Literal[
        "wav_16000", "wav_22050", "wav_24000", "wav_44100", "wav_48000",
        "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000",
    ] = "wav_24000"  # fmt: skip
    """Format of the audio; lossless ones only. 44.1 kHz and above need a larger plan."""
    seed: Annotated[int, Field(ge=0, le=4294967295)] | None = None
    """Seed of the service, which promises nothing for it; none sends none."""
    language_code: str | None = None
    """Language to enforce, for the models that take one."""
    stability: Fraction | None = None
    """Evenness of the delivery; none takes the voice's own setting, read once and kept."""
    similarity_boost: Fraction | None = None
    """Closeness to the original voice; none takes the voice's own setting, read once and kept."""
    style: Fraction | None = None
    """Exaggeration of the style; none takes the voice's own setting, read once and kept."""
    use_speaker_boost: bool | None = None
    """Boost of the likeness; none takes the voice's own setting, read once and kept."""
    speed: Annotated[float, Field(ge=0.7, le=1.2)] | None = None
    """Speaking rate; none takes the voice's own setting, read once and kept."""
    text_normalization: Switch = "off"
    """Whether the service spells out numbers itself; `off` because the text is spelt out before it is sent."""
    context: Switch = "auto"
    """Whether the text before and after is sent along; `auto` does it for the models that take it."""
    context_chars: Annotated[int, Field(ge=0, le=2000)] = 300
    """How much of the text before and after is sent along, in characters; it is not spoken and not paid."""
    max_request_chars: Annotated[int, Field(ge=50)] = 2000
    """Longest request, in characters, below the model's own limit: the most that one lost answer puts in doubt."""
    max_concurrent: Annotated[int, Field(ge=1, le=64)] = 32
    """Most requests in flight; the account's own limit is learnt on the way."""
    max_credits: Count | None = None
    """The ledger's hard cap: no request is sent that could take all that was ever bought above it; none has no cap."""
    rebuy_unknown: bool = False
    """Buy again what is neither known to be paid nor found in the service's history; it may be paid twice."""
    timeout_s: Positive = 240.0
    """Longest wait for an answer, in seconds."""
    max_wait_s: NonNegative = 600.0
    """Longest time to be turned away as too many before the run stops, in seconds."""
    base_url: str | None = None
    """Address of the service; none takes ElevenLabs' own."""

    def of_take(self, take: int) -> "ElevenLabsConfig":
        """Return another take's settings: another seed is another request, with a place of its own in the ledger."""
        return self if take == 1 else self.model_copy(update={"seed": ((self.seed or 0) + take - 1) % 2**32})


class CutConfig(Settings):
    """How a bought paragraph is cut into utterances, and what is not trained on."""

    min_pause_ms: Positive = 60.0
    """Shortest pause a cut may fall into, in milliseconds."""
    silence_db: Annotated[float, Field(lt=0)] = -40.0
    """Quieter than this, relative to the speech, counts as silence; in dB."""
    max_chars_per_s: Positive = 35.0
    """Faster than this, a sentence was not spoken in full, in characters per second."""
    max_tail_s: Positive = 0.7
    """Longest sound behind the last character, in seconds; more is speech that nobody asked for."""


class GenerateConfig(Settings):
    """`generate`: Markdown to transcripts to teacher speech."""

    transcripts: Literal["verbatim", "gemini"] = "verbatim"
    """Who writes what is spoken: the guide's own sentences word for word, or Gemini in spoken English."""
    teacher: Literal["pico", "piper", "elevenlabs"] = "piper"
    """Whose voice is distilled."""
    terms_acknowledged: bool = False
    """You have read the providers' terms and have the voice owner's consent; paid services are asked only then."""
    rights: str = ""
    """The voice's licence and its owner's consent in your own words, kept in the corpus's report."""
    max_utterances: Count | None = None
    """Stop after this many utterances; none takes them all."""
    take: Count = 1
    """Which reading this is; the second and later ones are of the held-out sentences alone, to be evaluated with."""
    verbatim: VerbatimConfig = VerbatimConfig()
    """The local writer of transcripts."""
    pico: PicoConfig = PicoConfig()
    """Settings of the `pico` teacher."""
    piper: PiperConfig = PiperConfig()
    """Settings of the `piper` teacher."""
    gemini: GeminiConfig = GeminiConfig()
    """Settings of the `gemini` writer."""
    elevenlabs: ElevenLabsConfig = ElevenLabsConfig()
    """Settings of the `elevenlabs` teacher."""
    cut: CutConfig = CutConfig()
    """Settings of cutting paragraphs."""


class IngestConfig(Settings):
    """`ingest`: recordings that exist already, cut into the sentences of their transcripts."""

    map: Path | None = None
    """Which transcript belongs to which recording, where the names do not say: CSV with `text,audio`, or YAML."""
    window_s: Annotated[float, Field(ge=10, le=29)] = 28.0
    """Longest stretch that the recogniser hears in one piece, in seconds."""
    min_pause_ms: Positive = 80.0
    """Shortest pause a cut may fall into, in milliseconds."""
    silence_db: Annotated[float, Field(lt=0)] = -40.0
    """Quieter than this, relative to the speech around, counts as silence; in dB."""
    margin_ms: NonNegative = 60.0
    """Silence kept before and behind a sentence where its pause has as much, in milliseconds."""
    max_duration_s: Annotated[float, Field(gt=0, le=29)] = 29.0
    """Longest sentence, in seconds; what is longer cannot be checked."""


class PreprocessConfig(Settings):
    """`preprocess`: one sample rate, one loudness, clean edges, text as it is spoken."""

    trim: Literal["vad", "energy"] = "vad"
    """What finds the speech: a voice activity detector and its sound, or the sound alone."""
    trim_db: Annotated[float, Field(lt=0)] = -45.0
    """Quieter than this, relative to the speech's loudest block, counts as silence at the edges; in dB."""
    trim_margin_ms: NonNegative = 80.0
    """Silence kept before the first and after the last sound, in milliseconds."""
    fade_ms: Annotated[float, Field(ge=0, le=50)] = 5.0
    """Fade at an edge that was cut, in milliseconds; an edge of the recording itself is left alone."""
    loudness_lufs: Annotated[float, Field(ge=-40, le=-10)] = -23.0
    """Target loudness by ITU-R BS.1770, in LUFS."""
    peak_ceiling_db: Annotated[float, Field(ge=-12, le=0)] = -1.0
    """Ceiling of the true peak, in dB of full scale; a clip that would pass it is turned down, not clipped."""
    normalize_text: bool = True
    """Spell out numbers, units and abbreviations."""


class AsrConfig(Settings):
    """The recogniser that `qc` and `evaluate` listen with."""

    model: str = "tiny.en"
    """`tiny.en` for the packaged model, a faster-whisper model name, or the folder of a CTranslate2 model."""
    compute_type: str = "int8"
    """Arithmetic of the recogniser, as faster-whisper names it."""
    beam_size: Count = 5
    """Hypotheses kept while decoding."""
    language: str = "en"
    """Language spoken, as Whisper names it."""


class QcConfig(Settings):
    """`qc`: which clips are kept. Each threshold can be none, and its check is then left out."""

    min_duration_s: NonNegative | None = 0.8
    """Shortest clip, in seconds."""
    max_duration_s: Positive | None = 15.0
    """Longest clip, in seconds."""
    min_rms_db: Annotated[float, Field(lt=0)] | None = -55.0
    """Quietest clip, as the root mean square in dB of full scale."""
    max_clipped_samples: Annotated[int, Field(ge=0)] | None = 3
    """Longest run of samples at full scale."""
    max_dc: Positive | None = 0.005
    """Largest mean of the samples, of full scale."""
    silence_db: Annotated[float, Field(lt=0)] = -45.0
    """Quieter than this, relative to the clip's loudest block, counts as silence; in dB."""
    max_edge_silence_s: Positive | None = 0.5
    """Longest silence at either end, in seconds."""
    max_inner_silence_s: Positive | None = 1.5
    """Longest silence inside the clip, in seconds."""
    max_edge_db: float | None = -16.0
    """Loudest first or last 15 ms, against the clip's speech, in dB; a clip that was cut off is louder there."""
    doubtful_edge_db: float | None = -30.0
    """The same where the recogniser misses the first or last word."""
    min_snr_db: NonNegative | None = 30.0
    """Least distance of the speech from the noise floor, in dB."""
    min_bandwidth_hz: NonNegative | None = 5000.0
    """Lowest frequency that the sound must reach, in Hz."""
    max_dropout_s: NonNegative | None = 0.012
    """Longest hole in the sound, in seconds."""
    max_loudness_offset_lu: Positive | None = 3.0
    """Farthest from the corpus's median loudness, in LU."""
    max_same_audio: Annotated[int, Field(ge=0)] | None = 0
    """Earlier clips that may have the same samples."""
    max_same_text: Annotated[int, Field(ge=0)] | None = 0
    """Earlier clips that may say the same."""
    min_chars_per_s: Positive | None = 5.0
    """Slowest speech, in characters of the normalized transcript per second."""
    max_chars_per_s: Positive | None = 25.0
    """Fastest speech, in characters of the normalized transcript per second."""
    max_rate_deviation: Positive | None = 4.0
    """Farthest from the speaker's median rate, in robust standard deviations of its logarithm."""
    max_unknown_symbols: Annotated[int, Field(ge=0)] | None = 0
    """Symbols of the pronunciation that the student may lack."""
    min_frames_per_token: NonNegative | None = 1.0
    """Fewest spectrogram frames to each input of the student, pads between the symbols included."""
    max_cer: Fraction | None = 0.25
    """Highest character error rate of the recogniser's transcript; with none here and for words, nothing is heard."""
    max_missing_words: Annotated[int, Field(ge=0)] | None = 1
    """Longest run of words that the recogniser does not hear."""
    max_extra_words: Annotated[int, Field(ge=0)] | None = 1
    """Longest run of words that the recogniser hears and nobody wrote."""
    min_dnsmos: Annotated[float, Field(ge=1, le=5)] | None = 2.2
    """Lowest naturalness by DNSMOS; none leaves it unmeasured and saves the most time."""
    min_similarity: Annotated[float, Field(ge=-1, le=1)] | None = 0.75
    """Lowest cosine with the speaker's other clips; none leaves the voice unmeasured."""

    @property
    def hears(self) -> bool:
        """Whether a recogniser is asked at all."""
        return any(limit is not None for limit in (self.max_cer, self.max_missing_words, self.max_extra_words))


class ModelConfig(Settings):
    """The student's geometry."""

    preset: Literal["medium", "high", "compact", "nano", "micro"] = "medium"
    """`medium` is Piper's VITS, `high` has the paper's decoder; the others are small and learn from `teacher`."""
    duration_predictor: Literal["deterministic", "stochastic"] = "deterministic"
    """How durations are predicted: one regression, or the paper's stochastic flow."""
    decoder: Literal["hifigan", "source_filter", "spectral"] = "hifigan"
    """The preset's HiFi-GAN, or filters for pulses and noise; a small voice's is `spectral` for a HiFi-GAN's speech."""
    discriminator: Literal["vits", "small"] = "vits"
    """Who tells the student's speech from the teacher's in training: the paper's, or one small enough for a CPU."""
    posterior_layers: Annotated[int, Field(ge=1, le=32)] = 16
    """WaveNet layers of the posterior encoder, the paper's 16; it only trains, and fewer train faster."""


class CompletionConfig(Settings):
    """What a Piper voice lacks for training: its posterior encoder, regressed onto the voice's own latents."""

    n_utterances: Count = 160
    """Sentences of the training set that the voice speaks to itself."""
    max_steps: Annotated[int, Field(ge=0)] = 700
    """Steps of the regression; 0 leaves the posterior encoder at random."""
    decoder_max_steps: Annotated[int, Field(ge=0)] = 300
    """Steps of a `source_filter` decoder on the voice's own speech, with the windows of `train.decoder`."""
    batch_size: Count = 8
    """Crops in a step."""
    crop_frames: Annotated[int, Field(ge=16)] = 96
    """Length of a crop, in frames."""
    learning_rate: Positive = 1e-3
    """Peak learning rate."""


class DecoderConfig(Settings):
    """How the decoder goes on by itself after the last full step: from latents of the text, timed as the clips are."""

    n_utterances: Count = 600
    """Utterances of the training set whose latents are kept in memory."""
    noise_scale: NonNegative = 0.333
    """Standard deviation of the noise in the latents; that of the later speech."""
    max_steps: Annotated[int, Field(ge=0)] = 0
    """Steps; 0 leaves the phase out."""
    batch_size: Count = 16
    """Windows in a step, each from another draw."""
    segment_frames: Annotated[int, Field(ge=16)] = 32
    """Length of a window, in frames."""
    learning_rate: Positive = 1e-3
    """Peak learning rate."""
    polish_max_steps: Annotated[int, Field(ge=0)] = 0
    """Steps after these against a discriminator small enough for a CPU; 0 leaves them out."""
    polish_learning_rate: Positive = 1e-4
    """Peak learning rate of both."""


class DistilConfig(Settings):
    """How a compact student learns from what the teacher does within; then `train.decoder` has its turn."""

    n_utterances: Count = 2000
    """Sentences that the teacher speaks for it at most, of the training set and of `teacher.texts`."""
    max_steps: Annotated[int, Field(ge=0)] = 1500
    """Steps of the front end: durations and latents."""
    batch_size: Count = 16
    """Sentences in a step."""
    learning_rate: Positive = 1e-3
    """Peak learning rate of the front end."""
    joint_max_steps: Annotated[int, Field(ge=0)] = 1000
    """Steps in which the decoder hears the front end's latents as well as the teacher's."""


class LossWeights(Settings):
    """Weights of the generator's losses, the VITS paper's and one for the pitch."""

    mel: NonNegative = 45.0
    """L1 between log-mel spectrograms."""
    kl: NonNegative = 1.0
    """Divergence of posterior and prior."""
    duration: NonNegative = 1.0
    """Duration predictor."""
    pitch: NonNegative = 10.0
    """L1 between log pitches, for a decoder that is driven by it."""
    adversarial: NonNegative = 1.0
    """Least-squares adversarial loss."""
    feature_matching: NonNegative = 1.0
    """L1 between the discriminator's features."""


class WarmupConfig(Settings):
    """What learns by itself before the rest moves."""

    discriminator_steps: Annotated[int, Field(ge=0)] | None = None
    """Steps in which a new discriminator learns alone while the rest waits; none takes 500, or a fiftieth of fewer."""


class ValidationConfig(Settings):
    """How a student is watched: it speaks sentences that it was not trained on, and is compared with the teacher."""

    n_sentences: Annotated[int, Field(ge=0)] = 16
    """Sentences of the validation split, the same ones every time; below two the best checkpoint is told by losses."""
    patience: Count | None = None
    """So many checkpoints in a row that are no better end the training; none trains to `max_steps`."""


class WandbConfig(Settings):
    """Weights & Biases, beside TensorBoard; needs the package wandb."""

    project: str | None = None
    """Project that the run is logged to; none logs nothing there."""
    mode: Literal["offline", "online"] = "offline"
    """Whether it is sent at once, or kept in the run directory for `wandb sync`."""


class TrainConfig(Settings):
    """`train`: from a corpus and a starting voice to a student."""

    init_from: str | None = "joe"
    """Start: `joe`, a Piper `.onnx`, a coqui `.pth` or model name, one of our `.ckpt`, or none for random weights."""
    frozen: tuple[str, ...] = ()
    """Weights that the full steps leave alone, by the beginning of their names: `text_encoder`, `flow.flows.0`."""
    max_steps: Count = 600
    """Batches to train on."""
    batch_size: Count = 4
    """Most utterances in a batch."""
    batch_frames: Count | None = None
    """Most frames in a batch, padding included; none has no such budget, and a long clip may take all the memory."""
    accumulate_batches: Count = 1
    """Batches whose gradients are added up before a step of the optimisers."""
    segment_frames: Annotated[int, Field(ge=8)] = 32
    """Length of the slice the decoder is trained on, in frames."""
    learning_rate: Positive = 2e-4
    """Peak learning rate of the generator and of the discriminator."""
    final_learning_rate_ratio: Fraction = 0.05
    """The cosine decay ends at this share of the peak learning rate."""
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    """Steps over which the learning rate rises from zero."""
    betas: tuple[Fraction, Fraction] = (0.8, 0.99)
    """Decay rates of AdamW's moments."""
    weight_decay: NonNegative = 0.01
    """AdamW's weight decay."""
    grad_clip_norm: Positive = 1000.0
    """Gradients are scaled down to this norm, for each optimiser by itself."""
    max_skipped_steps: Count = 10
    """So many steps in a row whose gradients are not finite stop the run; fewer are skipped."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the averaged weights that are evaluated and spoken with; 0 averages nothing."""
    adversarial_start_step: Annotated[int, Field(ge=0)] | None = None
    """Step at which the discriminator joins; none leaves it out."""
    warmup: WarmupConfig = WarmupConfig()
    """What learns by itself before the rest moves."""
    loss_weights: LossWeights = LossWeights()
    """Weights of the losses."""
    completion: CompletionConfig = CompletionConfig()
    """Completion of a Piper voice before training."""
    distil: DistilConfig = DistilConfig()
    """A compact student's front end."""
    decoder: DecoderConfig = DecoderConfig()
    """The decoder by itself, after the full steps."""
    precision: Literal["32-true", "bf16-mixed", "auto"] = "32-true"
    """Arithmetic of the step, as Lightning names it; losses stay in 32 bits. `auto`: bf16 where the device has it."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Device, as Lightning names it."""
    devices: Count = 1
    """Devices, or processes on a CPU, in each node; each takes its share of every step's batches."""
    n_nodes: Count = 1
    """Machines."""
    strategy: str = "auto"
    """How devices work together, as Lightning names it; `auto` takes DDP where there are several."""
    compile: bool = False
    """Whether torch compiles decoder and discriminator, whose shapes never change."""
    n_workers: Annotated[int, Field(ge=0)] = 0
    """Processes that load batches; 0 loads them in the training process."""
    validation: ValidationConfig = ValidationConfig()
    """How the best checkpoint is told."""
    wandb: WandbConfig = WandbConfig()
    """Weights & Biases."""
    keep_checkpoints: Count = 3
    """Voices of the best checkpoints that are kept as `step-<step>.ckpt`; the best one is `best.ckpt` as well."""
    checkpoint_every_steps: Count = 100
    """Steps between checkpoints; each one is validated, and heard in TensorBoard."""
    log_every_steps: Count = 10
    """Steps between lines in the log."""


class EvaluateConfig(Settings):
    """`evaluate`: teacher and student on the same held-out sentences."""

    ckpt: Annotated[tuple[Path, ...], _OneOrMore] = ()
    """The students: checkpoints, or corpora of what they have spoken."""
    take2: Path | None = None
    """Corpus of the teacher's second takes; none takes the corpus named as the input with `-take2` behind, if any."""
    baseline: Path | None = None
    """The report.json of an earlier evaluation, to tell what has changed since."""
    with_start: bool = True
    """Evaluate the voice the student started from as well."""
    lanes: bool = False
    """Also each part of a small voice with the other part of its teacher."""
    split: Literal["train", "val", "test", "all"] = "test"
    """Which utterances of the corpus are evaluated."""
    max_utterances: Count | None = None
    """Evaluate this many of them; none takes them all."""
    dnsmos: bool = True
    """Predict the opinion of listeners by DNSMOS."""
    distillmos: bool = True
    """Predict it by DistillMOS as well."""
    mcd_presets: tuple[Literal["espnet", "versa", "versa-dtw", "pymcd"], ...] = ()
    """Toolkits whose mel-cepstral distortion is told besides our own."""
    n_bootstrap: Count = 10000
    """Resamples of the bootstrap."""
    margins: dict[str, NonNegative] = {}
    """Differences that do not matter, by metric, where they are not those of docs/evaluation.md."""
    rank: str = "100 * wer.delta + mcd_db.student + 100 * (similarity.teacher - similarity.student)"
    """Figure by which several students are ranked, the lowest first."""
    speed_sentences: Count = 12
    """Sentences timed for the real-time factor."""
    fail_if: Annotated[tuple[str, ...], _OneOrMore] = ()
    """Conditions on the figures, such as `wer.delta.lo > 0.02`; where one holds, the command fails."""


class ListenConfig(Settings):
    """`listen`: a blind test, from the clips of an evaluation."""

    title: str = "Which voice sounds better?"
    """Heading of the page."""
    n_comparisons: Count = 20
    """Questions that compare a student with the teacher; several students take turns."""
    n_checks: Annotated[int, Field(ge=0)] = 4
    """Hidden checks: the teacher against itself, and against itself made worse, in turns."""
    n_speaker: Annotated[int, Field(ge=0)] = 6
    """Questions whether a clip is the teacher's voice: of students, the teacher and the starting voice, in turns."""
    n_quality: Annotated[int, Field(ge=0)] = 0
    """Questions how natural a clip is by itself, of teacher and students in turns."""
    loudness_lufs: Annotated[float, Field(ge=-40, le=-10)] = -23.0
    """Loudness of every clip."""
    margin: Positive = 0.5
    """Differences that do not matter, on the scale from -3 to 3."""
    max_failed_checks: Annotated[int, Field(ge=0)] = 1
    """Listeners who fail more of the checks are left out."""


class SynthConfig(Settings):
    """`synth`: text to speech with a student."""

    ckpt: Path | None = None
    """The student's checkpoint."""
    speed: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    """Speaking rate; above 1 is faster."""
    noise_scale: NonNegative = 0.333
    """Standard deviation of the noise in the latents, 0 is deterministic; a voice keeps its own where none is given."""
    noise_scale_duration: NonNegative = 0.8
    """The same in the durations of a stochastic duration predictor."""
    pause_ms: Annotated[float, Field(ge=0, le=60_000)] = 250.0
    """Silence between the sentences of a long text, in milliseconds."""


class ExportConfig(Settings):
    """`export`: a student for other programs."""

    format: Literal["onnx", "piper"] = "onnx"
    """`onnx` for `ttsd synth`, `piper` for Piper's runtimes and sherpa-onnx."""
    licence: str | None = None
    """Licence of the voice, kept in the card of the format `onnx`."""
    half_weights: bool = False
    """Keep the weights in 16 bits: half the size, and computed in 32 bits all the same."""


class TeacherConfig(Settings):
    """The voice whose inside a compact student learns from."""

    voice: str = "joe"
    """`joe`, or the `.onnx` file of a Piper voice."""
    ckpt: Path | None = None
    """A VITS student of ours in its place."""
    texts: Path | None = None
    """Text file of sentences that it speaks besides those of the corpus, one a line."""


class Config(Settings):
    """All settings."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Every random number follows from this one."""
    speaker: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    """Name of the speaker in the corpus; none takes the teacher's."""
    language: str = "en-us"
    """espeak-ng voice that turns text into phonemes."""
    n_workers: Annotated[int, Field(ge=0)] = 0
    """Processes for the work per utterance; 0 takes one for each core."""
    paths: PathsConfig = PathsConfig()
    """Directories."""
    audio: AudioConfig = AudioConfig()
    """Samples and frames."""
    split: SplitConfig = SplitConfig()
    """Held-out sections."""
    generate: GenerateConfig = GenerateConfig()
    """Stage `generate`."""
    ingest: IngestConfig = IngestConfig()
    """Stage `ingest`."""
    preprocess: PreprocessConfig = PreprocessConfig()
    """Stage `preprocess`."""
    asr: AsrConfig = AsrConfig()
    """The recogniser."""
    qc: QcConfig = QcConfig()
    """Stage `qc`."""
    model: ModelConfig = ModelConfig()
    """The student."""
    teacher: TeacherConfig = TeacherConfig()
    """A compact student's teacher."""
    train: TrainConfig = TrainConfig()
    """Stage `train`."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """Stage `evaluate`."""
    listen: ListenConfig = ListenConfig()
    """Settings of `ttsd listen`."""
    synth: SynthConfig = SynthConfig()
    """Stage `synth`."""
    export: ExportConfig = ExportConfig()
    """A student for other programs."""


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Load the settings: defaults, then a YAML file, then overrides.

    Args:
        path: YAML file with the settings that differ from the defaults, or none.
        overrides: `a.b=value` strings; the value is read as YAML. Later ones win.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong; the message names the key and its cure.
    """
    tree = _read_yaml(path) if path is not None else {}
    alone = copy.deepcopy(tree)
    for override in overrides:
        _apply_override(tree, override)
    try:
        return parse_config(tree, origin="--set")
    except ConfigError:
        # A mistake that the file makes by itself is not one of the command line.
        if path is not None:
            parse_config(alone, origin=str(path))
        raise


def parse_config(tree: Mapping[str, Any], origin: str) -> Config:
    """Validate a tree of settings.

    Args:
        tree: Nested mapping with the settings that differ from the defaults.
        origin: Where the tree comes from, for error messages.

    Raises:
        ConfigError: A key or value is wrong; every wrong key is named in the one line.
    """
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{origin}: " + "; ".join(_explain(problem) for problem in error.errors())) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read this settings file ({error.strerror}); check the path") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not a YAML settings file ({reason}); see configs/default.yaml") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: settings must be `key: value` lines; see configs/default.yaml")
    return tree


def _apply_override(tree: dict[str, Any], override: str) -> None:
    import yaml

    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals and names_secret(override):
        raise ConfigError(f"--set: {SECRETS_CURE}")
    if not equals or not all(names):
        raise ConfigError(f"--set {override}: write it as section.key=value, such as train.batch_size=8")
    try:
        value = yaml.safe_load(text) if text else None
    except yaml.YAMLError:
        value = text
    node = tree
    for depth, name in enumerate(names[:-1]):
        child = node[name] = {} if node.get(name) is None else node[name]
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {'.'.join(names[: depth + 1])} is a value, not a section")
        node = child
    node[names[-1]] = value


def _explain(problem: Any) -> str:
    names = [str(part) for part in problem["loc"]]
    key = ".".join(names) or "settings"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown setting{_suggestion(names)}"
    message = problem["msg"].removeprefix("Value error, ")
    value = problem["input"]
    shown = f" (given: {value!r})" if isinstance(value, str | int | float | bool) or value is None else ""
    return f"{key}: {message[0].lower() + message[1:]}{shown}"


def _suggestion(names: list[str]) -> str:
    if names_secret(names[-1]):
        return f"; {SECRETS_CURE}"
    known = setting_names()
    key = ".".join(names)
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    # A right name in the wrong section is the other common slip.
    same_leaf = [name for name in known if name.rsplit(".", 1)[-1] == names[-1]]
    best = nearest or same_leaf[:1]
    return f"; did you mean {best[0]}?" if best else "; configs/default.yaml lists them all"


def setting_names() -> list[str]:
    """Return the dotted name of every setting and section."""
    names: list[str] = []

    def walk(section: type[BaseModel], prefix: str) -> None:
        for name, field in section.model_fields.items():
            names.append(prefix + name)
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                walk(field.annotation, f"{prefix}{name}.")

    walk(Config, "")
    return names
