"""Reads results: load, smoothing, statistics, figures."""
