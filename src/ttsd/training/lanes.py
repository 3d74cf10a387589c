"""Half a small voice and half its teacher: which of the two parts loses what."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ttsd.errors import CheckpointError
from ttsd.model.compact import CompactVoice
from ttsd.training.checkpoint import Student, load_student
from ttsd.training.rendering import WhiteBox, load_teacher


@dataclass(frozen=True)
class Lane:
    """One part of a student beside the other part of its teacher."""

    name: str
    """`teacher_latents`, through the student's decoder; or `student_latents`, timed by the teacher, through its own."""
    student: Student
    teacher: WhiteBox

    @property
    def sample_rate(self) -> int:
        """Samples per second, in Hz."""
        return self.student.sample_rate

    @property
    def n_parameters(self) -> int:
        """Weights of both voices."""
        of_teacher = sum(weight.numel() for weight in self.teacher.vits.parameters())
        return self.student.n_parameters + int(of_teacher)

    @torch.inference_mode()
    def speak(self, text: str, *, seed: int) -> NDArray[np.float32]:
        """Speak a text: float32 [n_samples] in [-1, 1]."""
        voice, teacher = self.student.voice, self.teacher
        assert isinstance(voice, CompactVoice)
        symbol_ids = torch.tensor(self.student.encode(text))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            spoken = teacher.vits.synthesize(
                symbol_ids, noise_scale=0.0, noise_scale_duration=0.0, length_scale=teacher.length_scale
            )
            if self.name == "teacher_latents":
                wav = voice.waveform_decoder(spoken.z.unsqueeze(0))
            else:
                hidden, _ = voice.front_end.encode(symbol_ids.unsqueeze(0), torch.tensor([len(symbol_ids)]))
                z = voice.front_end.speak(hidden, spoken.durations.long().unsqueeze(0))
                wav = teacher.vits.waveform_decoder(z)
        samples: NDArray[np.float32] = wav[0, 0].numpy()
        return samples.clip(-1, 1)


def load_lane(name: str, path: Path) -> Lane:
    """Load a student and the teacher that it learnt from.

    Args:
        name: As in `Lane`.
        path: The student's checkpoint.

    Raises:
        CheckpointError: It is no small voice, or its teacher is gone or is another one now.
    """
    if path.suffix == ".onnx":
        raise CheckpointError(f"{path}: an exported voice has no lanes; name the .ckpt file that it was made of")
    student = load_student(path)
    if not isinstance(student.voice, CompactVoice):
        raise CheckpointError(f"{path}: a {student.config.model.preset} voice; evaluate.lanes is for small ones")
    told = student.config.teacher
    if told.ckpt is not None and not told.ckpt.is_file():
        raise CheckpointError(
            f"{path}: its teacher {told.ckpt} is not there, which evaluate.lanes needs; put it there, in the folder "
            "that the student was trained from, or set evaluate.lanes=false"
        )
    teacher = load_teacher(student.config)
    if student.teacher_sha256 not in (None, teacher.sha256):
        raise CheckpointError(
            f"{path}: learnt from another {told.ckpt or told.voice} than there is now; bring that one back, or set "
            "evaluate.lanes=false"
        )
    return Lane(name, student, teacher)
