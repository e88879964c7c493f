"""Episodes and trials from Parquet: conditions, files, curves."""
