"""Runs side by side: lists of them, and what differs between some. Others call `listing`, `lines` and `differences`."""
