"""What stands on the page of a folder of runs."""
