"""What a report says in sentences: notes, the methods paragraph, the reporting checklist."""
