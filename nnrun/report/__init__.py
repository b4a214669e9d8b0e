"""Pages to look at and to send: a run or a search as one HTML file, made from its directory alone."""
