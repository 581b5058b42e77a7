"""The pages, and what their sections are made of."""
