"""Slices and patches out of cases, as batches of tensors."""
