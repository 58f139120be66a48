"""Identity: who a person is, how they prove it, and what they let others see."""

ISOLATION = "repeatable read"
