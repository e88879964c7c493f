"""Sweeps that compare tabular Q-learning update rules, trained on Ray, logged in Parquet."""
