"""Folders that the book offers softlab (softlab.plugins)."""

from pathlib import Path

PROFILES = Path(__file__).parent / "profiles"
ZOO = Path(__file__).parent / "zoo"
