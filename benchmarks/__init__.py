"""Speed and accuracy studies; what they print is what docs/results shows."""
