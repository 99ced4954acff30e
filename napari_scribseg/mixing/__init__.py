"""Augmentations that belong to a paper."""
