"""Lightning callbacks: checkpoints, metrics, diagnostics, signals."""
