"""What a study and a report must agree on, and the words that both say it in: pure, without torch and Hydra."""
