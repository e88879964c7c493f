"""Statistics over seeds and configurations, from arrays."""
