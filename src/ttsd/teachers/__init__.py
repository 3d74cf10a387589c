"""The voices that are distilled: one small adapter each."""
