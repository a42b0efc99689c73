"""The figures of a rating study, computed from arrays of scores. Knows no files and no wording."""
