"""From runs to a verdict: what is compared, statistics, tuning, cautions."""
