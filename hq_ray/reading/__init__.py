"""Trials and episodes read back from Parquet: conditions, files, rows."""
