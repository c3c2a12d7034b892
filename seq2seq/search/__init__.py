"""Choosing pieces over any step function. Knows ids and scores; not text or layers."""
