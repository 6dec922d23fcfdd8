"""What is for learning: one step of a run taken apart, with the formulas, the words and the page for it."""
