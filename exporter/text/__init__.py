"""Words for people, and text from strangers: durations, spelling, problems, redaction."""
