"""File formats: one module per format that is read or written."""
