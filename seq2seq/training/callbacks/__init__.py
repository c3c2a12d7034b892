"""Lightning callbacks: checkpoints, metrics, diagnostics, non-finite checks, signals."""
