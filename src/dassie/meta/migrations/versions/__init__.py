"""One module per version of the schema, applied in order."""
