"""Training: module, data module, callbacks and the loop's set-up."""
