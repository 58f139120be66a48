"""What bridges bring that single devices do not: doubts about what they heard, and devices connected through them."""
