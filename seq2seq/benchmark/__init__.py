"""Measure training and translation speed; results are single lines of JSON."""
