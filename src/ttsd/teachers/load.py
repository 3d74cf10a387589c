"""From the settings to the teacher they name."""

from ttsd.config import Config
from ttsd.teachers.base import Teacher
from ttsd.teachers.pico import PicoTeacher
from ttsd.teachers.piper import PiperTeacher


def load_teacher(config: Config) -> Teacher:
    """Load the teacher that `generate.teacher` names.

    Raises:
        TeacherError: The voice cannot be loaded.
        MissingExtraError: Its packages are not installed.
    """
    if config.generate.teacher == "pico":
        return PicoTeacher(config.generate.pico)
    return PiperTeacher(config.generate.piper)
