"""Other people's files as parallel corpora: import, inspection, cleaning, splits."""
