"""What a machine reaches with a run, as a line of JSON that other programs compare."""
