"""Methods compared: recipes, folds, cells, results."""
