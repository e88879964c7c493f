"""What a report shows: exhibits, chapters, the page."""
