"""A report as files: tables, LaTeX, Word, Excel, pictures, a reproducible zip."""
