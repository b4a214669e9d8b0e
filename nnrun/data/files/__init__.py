"""From a file to tables that know line and column; `sources.READERS` has a function a suffix."""
