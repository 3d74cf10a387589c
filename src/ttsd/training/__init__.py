"""Lightning around the student: batches, losses, checkpoints."""
