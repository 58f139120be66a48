"""Episodes beyond a bound, and who is told of them."""
