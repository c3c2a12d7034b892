"""Files, checksums, memory and progress."""
