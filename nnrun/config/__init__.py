"""From YAML to a resolved configuration, or to a list of errors with line and column.

A key is defined once, in `schema`, `data_section`, `search_section` or `config` (name and seed); validation, messages,
the JSON Schema and the reference follow from it. The ranges of a search lie in `space`. Others call `load`.
"""
