"""Methods compared: recipes, folds, trials, results."""
