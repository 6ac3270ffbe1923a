"""What keys/ must answer: published figures, and our own of what it adds, with what holds the wrappers to them.

Each JSON file beside this one names its source and licence. They are written by keys.vectors.make from the originals,
whose forms keys.vectors.originals knows, and run by keys.vectors.selftest. Nothing here is secret.
"""
