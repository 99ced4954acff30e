"""Batch evaluation: methods compared on a dataset."""
