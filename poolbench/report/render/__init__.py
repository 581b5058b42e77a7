"""Tables and pages as text: for a terminal, Markdown, HTML and JSON. Nothing is worked out here."""
