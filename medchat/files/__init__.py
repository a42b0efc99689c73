"""What people bring: one reader per kind of file, each with clear complaints. Knows no models."""
