"""Small tools with one purpose each."""
