"""From files to arrays: sources, splits, preprocessing and the cache."""
