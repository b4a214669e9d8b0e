"""What a search may vary: ranges by name, the space they span, and settings known to be good."""
