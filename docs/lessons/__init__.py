"""The lessons of the gallery: functions that train or search and draw what came of it."""
