"""The corpus and everything that touches its audio and text; no torch here."""
