"""What is shown of measurements to their person, and what that person has said by hand."""
