"""What is wrong with a run, how sure that is, and which command to run next."""
