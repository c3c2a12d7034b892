"""What steps through a translation: a network, several at once, or another runtime."""
