"""From a file to tables that know line and column; `sources.FILE_FORMATS` has the readers."""
