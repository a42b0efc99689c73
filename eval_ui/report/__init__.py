"""The report tab and the files of a study."""
