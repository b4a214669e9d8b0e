"""What can be found out in seconds before a network is trained, each finding with its cure."""
