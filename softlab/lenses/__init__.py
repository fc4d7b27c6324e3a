"""Lenses: pure functions from a network's tensors to numbers. No files, no runs, no settings of a study."""
