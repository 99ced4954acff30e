"""One definition of every number: metrics, clinical numbers, statistics, tables."""
