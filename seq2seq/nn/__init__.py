"""Neural network modules: recurrent layers, encoder, decoder, attention, loss."""
