"""Templates and styles of every page; no code. A package so that they are installed with it."""
