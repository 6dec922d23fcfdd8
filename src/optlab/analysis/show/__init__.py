"""What a person sees: tables, figures, the terminal and the page."""
