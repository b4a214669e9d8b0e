"""One walk through a source: what its columns, target, groups and times hold."""
