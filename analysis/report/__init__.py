"""The report: its tables and its page."""
