"""Where the functions of `rsconv.functional` are written; import them from there."""
