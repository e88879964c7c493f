"""Figures, from arrays."""
