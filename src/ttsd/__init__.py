"""ttsd distils a text-to-speech voice: study guides in, a proven local voice out."""

__version__ = "0.1.0"
