"""A trained network used: predictions on new rows, every metric beside baselines, and files for other programs.

Others call `verbs` (evaluate), `importance`, `calibrating`, `model` (load), `rows` and `uncertainty` (predict),
`drift`, `output` (write predictions), `ensembling` (several as one) and `export.formats`; a new format is one entry in
its table.
"""
