"""The web server's own part: who gets in, what is let through, uploads, notices, harmless text."""
