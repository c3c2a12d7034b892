"""The phrasebook: an English-German corpus drawn from a grammar."""
