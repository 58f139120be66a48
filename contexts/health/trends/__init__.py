"""How a person's measurements go over days, weeks and months. Each derived number says by what it was made."""
