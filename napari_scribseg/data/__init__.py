"""What is learnt from: cases, datasets and their layouts on disk."""
