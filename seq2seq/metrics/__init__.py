"""sacreBLEU scores, significance tests and pairwise sentence metrics."""
