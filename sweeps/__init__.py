"""The sweep: plan, Ray driver, progress."""
