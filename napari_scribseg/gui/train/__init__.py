"""The Train tab: methods, trainings, runs."""
