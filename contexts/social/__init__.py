"""Who is friends with whom, what friends see of each other, and what they say to each other."""
