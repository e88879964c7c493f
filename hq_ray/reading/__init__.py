"""Conditions on trials and episodes, as text and as pyarrow filters."""
