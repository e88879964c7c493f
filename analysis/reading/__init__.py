"""Curves from Parquet: streamed, smoothed, and the times that they take."""
