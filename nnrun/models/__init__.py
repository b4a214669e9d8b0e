"""A trained network used: predictions on new rows, every metric beside baselines, and files for other programs.

Others call `verbs` (evaluate), `model` (load), `rows` (predict), `output` (write predictions) and `export.formats`; a
new format is one entry in its table.
"""
