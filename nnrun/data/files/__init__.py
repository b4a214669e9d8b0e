"""From a file to tables that know line and column; `READERS` has a function a suffix."""
