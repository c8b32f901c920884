"""What a log shows about each resource: its story, what went wrong, and what it cannot show."""
