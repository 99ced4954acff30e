"""The order in which things happen: runs, training, prediction, evaluation."""
