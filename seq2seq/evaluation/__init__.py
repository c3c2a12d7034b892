"""Evaluation reports: scores, analyses and a page that a person wants to read."""
