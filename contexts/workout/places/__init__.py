"""Pure geography: lines, cells, matching along a way, and the gate through which places leave."""
