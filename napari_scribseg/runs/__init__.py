"""A run on disk and its process. No torch."""
