"""The report of an experiment: one HTML page, its plots and pictures."""
