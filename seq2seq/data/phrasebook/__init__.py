"""The phrasebook: a corpus sampled from a synchronous grammar of English and German."""
