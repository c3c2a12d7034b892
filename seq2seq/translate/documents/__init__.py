"""Documents: formats whose texts are translated, and all else written as it was."""
