"""What can go wrong for a user.

TtsdError
├── ConfigError         a setting
├── TranscriptError     a study guide
├── CorpusError         a corpus: an LJSpeech directory
├── StageError          a directory that a stage reads or writes
├── CheckpointError     a student or a voice file
├── TeacherError        a teacher failed on an utterance
├── ProviderError       a paid service cannot go on: key, quota, voice, limits
├── LedgerError         the ledger of bought speech
├── EvaluationError     nothing to evaluate, or a student below its bound
├── UsageError          an option that cannot be read; exit code 2
├── FigureError         a condition on a figure that is unknown or could not be measured; exit code 2
└── MissingExtraError   an optional package is not installed

The command line catches `TtsdError` and prints its one line; anything else is a bug and keeps its traceback.
"""


class TtsdError(Exception):
    """A mistake the user can mend; the message names the file, the id and the cure in one line."""

    exit_code = 1


class ConfigError(TtsdError):
    """A setting is unknown, of the wrong type, or out of its bounds."""


class TranscriptError(TtsdError):
    """A study guide cannot be read as text."""


class CorpusError(TtsdError):
    """A corpus cannot be read or written as an LJSpeech directory."""


class StageError(TtsdError):
    """A stage cannot read its input or write its output directory."""


class CheckpointError(TtsdError):
    """A checkpoint or voice file is not what the command needs."""


class TeacherError(TtsdError):
    """A teacher could not speak."""


class ProviderError(TtsdError):
    """A paid service cannot go on for this account: the key, the quota, the voice, the limits or the connection."""


class LedgerError(TtsdError):
    """The ledger of bought speech, or a take beside it, cannot be read or written."""


class EvaluationError(TtsdError):
    """There is nothing to evaluate, or the student is below the bound that the settings draw."""


class UsageError(TtsdError):
    """An option of the command line cannot be read."""

    exit_code = 2


class FigureError(TtsdError):
    """A condition asks for a figure that is unknown or could not be measured: neither met nor missed."""

    exit_code = 2


class MissingExtraError(TtsdError):
    """An optional package is missing; the message carries its pip line."""
