"""How a person's measurements go over days, weeks and months; each derived number names what it was made by and of."""
